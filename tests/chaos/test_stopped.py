"""The server stands still for a while under load, as a laptop that sleeps or a host that is moved, and goes on.

It is stopped for longer than anything in it waits: than an attempt may take, than a consumer's session, than a write is
waited for. Clients resume by themselves. Nothing is lost, doubled or reordered, and the phone is in order.
"""

import asyncio
import random
import signal

from tests.chaos.hub import Hub, together
from tests.chaos.length import SEED, length_of
from tests.chaos.people import BOT, simulated, simulating
from tests.chaos.writers import Writer, lost_or_doubled

from chat4all.client import Client

LENGTH = length_of("stopped")
LONGEST = 7.0  # seconds: more than the 6 of a consumer's session, the 5 of a write and the 3 of an attempt


class Reader:
    """A client that resumes by itself, as `chat4all tail` does."""

    def __init__(self, client: Client, chat: str) -> None:
        self.client = client
        self.chat = chat
        self.seen: list[str] = []

    async def read(self) -> None:
        """For ever."""
        async for _, frame in self.client.frames({self.chat: 0}):
            if frame.get("conversation_id") == self.chat and frame["type"] == "message":
                self.seen.append(frame["message_id"])


async def test_who_stood_still_goes_on_and_nothing_is_lost_doubled_or_reordered(tmp_path, report):
    over, chance = asyncio.Event(), random.Random(SEED)
    async with simulating(tmp_path) as simulator:
        hub = Hub(tmp_path)
        simulated(simulator, hub)
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana, Client(hub.url, "admin", "demo") as admin:
            await hub.live([])
            chat = await ana.conversation_with("admin")
            phone = await ana.conversation_with("bruno")
            token, other = await ana.token(), await admin.token()
            talk = [Writer(hub, "ana", token, chat, True), Writer(hub, "admin", other, chat, False)]
            sent = Writer(hub, "ana to the phone", token, phone, True, pace=1.0)
            writers, reader = [*talk, sent], Reader(admin, chat)
            hub.moves = lambda: ([len(one.answered) for one in writers], len(reader.seen))

            async def stopping() -> None:
                for number in range(LENGTH.kills):
                    await goes_on()
                    hub.signal(signal.SIGSTOP)
                    await asyncio.sleep(LONGEST if number == 0 else LONGEST * chance.random())
                    hub.signal(signal.SIGCONT)
                await goes_on()
                over.set()

            async def goes_on() -> None:
                goals = [len(one.answered) + LENGTH.work for one in talk]
                seen = len(reader.seen) + LENGTH.work
                await hub.until(
                    lambda: all(len(one.answered) >= goal for one, goal in zip(talk, goals, strict=True)), "on"
                )
                await hub.until(lambda: reading.done() or len(reader.seen) >= seen, "shown")

            reading = asyncio.create_task(reader.read())
            await together(stopping(), *(one.write(over) for one in writers))
            doubts = sum([await hub.doubts(ana, message) for message, _ in sent.answered])
            rows = await hub.history(ana, chat)
            await hub.until(lambda: reading.done() or len(reader.seen) >= len(rows), "all shown")
            reading.cancel()
            found = lost_or_doubled(talk, rows) + lost_or_doubled([sent], await hub.history(ana, phone))
            shown = [one["text"] for one in simulator.control("GET", f"/telegram/phones/bruno/chats/{BOT}")[1:]]
    statuses = [dict(one.statuses) for one in writers]
    report(f"seed {SEED}: stopped {LENGTH.kills} times; answers {statuses}; {doubts} in doubt")
    assert found == []
    assert all(set(one) <= {0, 202, 503} for one in statuses)
    assert reader.seen == [row["message_id"] for row in rows]
    assert list(dict.fromkeys(shown)) == [text for _, text in sent.answered]
    assert len(shown) <= len(sent.answered) + doubts
