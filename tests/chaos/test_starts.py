"""The server dies while it starts, at any moment, again and again: the next start works, and nothing is lost.

A start is a number of steps: statements of SQL, files opened to be written, ports taken. It dies at one of each of as
many equal shares of them as there are kills, first on an empty folder, then on one that holds messages whose way it
has not ended.
"""

import asyncio
import random

from tests.chaos.hub import Hub
from tests.chaos.killed import STEP
from tests.chaos.length import SEED, length_of
from tests.chaos.people import BOT, simulated, simulating

from chat4all.client import Client

LENGTH = length_of("starts")
NEVER = f"{STEP}:{1 << 60}"


def steps(total: int, chance: random.Random) -> list[tuple[str, int]]:
    """One of each share, in any order."""
    share = total / LENGTH.kills
    found = [max(1, int(share * (number + chance.random()))) for number in range(LENGTH.kills)]
    return [(STEP, one) for one in chance.sample(found, len(found))]


async def test_a_start_that_dies_leaves_nothing_that_the_next_cannot_go_on_from(tmp_path, report):
    chance, told, plans = random.Random(SEED), {}, []
    async with simulating(tmp_path) as simulator:
        (tmp_path / "counted").mkdir()
        counted, hub = Hub(tmp_path / "counted"), Hub(tmp_path)
        simulated(simulator, counted)
        simulated(simulator, hub)
        async with counted.ended():
            await counted.live([], last=NEVER)
            total = counted.steps
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana:
            for number in range(LENGTH.work):
                plans.append(steps(total, chance))
                await hub.live(plans[-1], last=NEVER)
                total = hub.steps
                chat = await ana.conversation_with("bruno")
                for one in range(LENGTH.wide):
                    text = f"{number}-{one}"
                    body = {"chat_id": chat, "content": text}
                    told[(await hub.call(ana, "POST", "/v1/messages", body, key=text))["message_id"]] = text
                await asyncio.to_thread(hub.kill)
            await hub.live([])
            doubts = 0
            for message in told:
                doubts += await hub.doubts(ana, message)
            rows = await hub.history(ana, chat)
            shown = [one["text"] for one in simulator.control("GET", f"/telegram/phones/bruno/chats/{BOT}")[1:]]
    report(f"seed {SEED}: {hub.deaths} starts that died, of about {total} steps, at {plans}; {doubts} in doubt")
    assert {row["message_id"]: row["content"] for row in rows} == told
    assert [row["message_id"] for row in rows] == list(told)
    assert list(dict.fromkeys(shown)) == list(told.values())
    assert len(shown) <= len(told) + doubts
    assert hub.deaths == LENGTH.kills * LENGTH.work
