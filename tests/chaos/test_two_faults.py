"""Two faults at once: the server dies on a full disk; it dies, and so does the provider, and it is back first."""

import asyncio
import random

from tests.chaos.disks import Full, mounted
from tests.chaos.hub import Hub, Patience, deaths, together
from tests.chaos.length import SEED, length_of
from tests.chaos.people import Person, connected, simulating
from tests.chaos.writers import Writer, lost_or_doubled

from chat4all.client import AnswerError, Client

LENGTH = length_of("two faults")
SENDING = ("claimed", "asked", "answered", "settled")


async def test_a_server_that_dies_on_a_full_disk_starts_when_there_is_room_and_has_lost_nothing(tmp_path, report):
    over = asyncio.Event()
    with mounted(Full, tmp_path / "disk") as disk:
        hub = Hub(tmp_path, data=tmp_path / "disk" / "data")
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana:
            await hub.live([])
            chat = await ana.conversation_with("bruno")
            writer = Writer(hub, "ana", await ana.token(), chat, True)
            hub.moves = lambda: sum(writer.statuses.values())

            async def fail() -> None:
                for _ in range(LENGTH.kills):
                    await writer.until(writer.answered, 20)
                    disk.fault()
                    await writer.until(writer.refusals, 2)
                    hub.up.clear()
                    await asyncio.to_thread(hub.kill)
                    try:  # it starts, and refuses, or says why it cannot
                        await asyncio.to_thread(hub.start)
                    except AnswerError as error:
                        assert "Traceback" not in str(error)
                        assert "--fresh" not in str(error)
                    await asyncio.to_thread(hub.kill)
                    disk.mend()
                    await hub.live([])
                over.set()

            await together(fail(), writer.write(over))
            await hub.call(ana, "GET", f"/v1/messages/{writer.answered[-1][0]}")
            found = lost_or_doubled([writer], await hub.history(ana, chat))
            await asyncio.to_thread(hub.stop)
    report(f"{LENGTH.kills} kills on a full disk; answers {dict(writer.statuses)}")
    assert found == []
    assert set(writer.statuses) <= {0, 202, 503}


async def test_a_server_that_is_back_before_its_provider_takes_work_and_delivers_it_later(tmp_path, report):
    plan = deaths(SENDING, LENGTH.kills, random.Random(SEED), latest=3)
    async with simulating(tmp_path) as simulator:
        hub = Hub(tmp_path)
        bot = connected(simulator, hub, tmp_path / "connectors")
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana:
            people = [Person(hub, ana, bot, number) for number in range(LENGTH.wide)]
            told: dict[Person, dict[str, str]] = {person: {} for person in people}
            said: dict[Person, list[str]] = {person: ["hello"] for person in people}
            hub.moves = lambda: [len(one) for one in told.values()]
            await hub.live([])
            await together(*(person.meet() for person in people))

            async def talk(person: Person, what: str) -> None:
                for number in range(LENGTH.work):
                    text = f"{what} {number} to {person.first_name}"
                    told[person][await person.post(text)] = text

            async def say(person: Person, text: str) -> None:
                said[person].append(text)
                await person.write(text)

            for number, death in enumerate(plan):
                await asyncio.to_thread(hub.kill)
                hub.up.clear()
                await together(*(say(person, f"said {number}") for person in people))
                # The provider dies with it, and stays away when it comes back.
                living = hub.live([death], lambda _: simulator.kill())
                await together(living, *(talk(person, f"before {number}:") for person in people))
                await together(*(talk(person, f"meanwhile {number}:") for person in people))
                await asyncio.to_thread(simulator.start, simulator.port)
            doubts = {person: sum([await hub.doubts(ana, one) for one in told[person]]) for person in people}
            for person in people:
                await _heard(hub, ana, person, said[person])
                shown = await person.shows()
                assert list(dict.fromkeys(shown)) == list(told[person].values())
                assert len(shown) <= len(told[person]) + doubts[person]
    report(f"seed {SEED}: died with the provider at {plan}; {sum(doubts.values())} in doubt")


async def _heard(hub: Hub, ana: Client, person: Person, said: list[str]) -> None:
    patience, heard = Patience(hub, f"all heard of {person.first_name}"), [""]
    while heard != said:
        heard = [row["content"] for row in await hub.history(ana, person.chat) if row["sender_id"] != "ana"]
        await patience.wait(heard)
