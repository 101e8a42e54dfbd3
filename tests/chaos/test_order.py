"""What is answered before comes before: whoever writes only after another's 202 has the higher seq, whatever dies.

Three people write in turn in each conversation, each over their own connection, the next only when the one before has
a 202. The server dies at named points between a request and its answer, and between an append and its commit.
"""

import asyncio
import random

from tests.chaos.hub import Hub, deaths, together
from tests.chaos.length import SEED, length_of

from chat4all.client import Client

LENGTH = length_of("order")
POINTS = ("accepted", "remembered", "rows", "heads", "told", "committed")
WRITERS = ("ana", "bruno", "admin")


class Turns:
    """The posts of one conversation, in the order of their answers."""

    def __init__(self, hub: Hub, chat: str, number: int) -> None:
        self.hub = hub
        self.chat = chat
        self.number = number
        self.answered: list[str] = []

    async def write(self, people: list[Client], over: asyncio.Event, least: int = LENGTH.work) -> None:
        """Each sends again under a key until the 202 comes; then it is the next one's turn."""
        while not over.is_set() or len(self.answered) < least:
            who = people[len(self.answered) % len(people)]
            text = f"{who.username} is number {len(self.answered)} of {self.number}"
            body = {"chat_id": self.chat, "content": text}
            made = await self.hub.call(who, "POST", "/v1/messages", body, key=text.replace(" ", "-"))
            self.answered.append(made["message_id"])


async def test_the_order_of_the_answers_is_the_order_of_the_conversation_whoever_writes(tmp_path, report):
    hub, over = Hub(tmp_path), asyncio.Event()
    people = [Client(hub.url, name, "demo") for name in WRITERS]
    turns: list[Turns] = []
    hub.moves = lambda: [len(one.answered) for one in turns]
    plan = deaths(POINTS, LENGTH.kills, random.Random(SEED))

    async def living() -> None:
        await hub.live(plan)
        over.set()

    async def writing() -> None:
        for number in range(LENGTH.wide):
            body = {"type": "group", "members": WRITERS[1:], "metadata": {"number": str(number)}}
            made = await hub.call(people[0], "POST", "/v1/conversations", body)
            turns.append(Turns(hub, made["conversation_id"], number))
        await together(*(one.write(people, over) for one in turns))

    async with hub.ended(), people[0], people[1], people[2]:
        await together(living(), writing())
        for one in turns:
            await hub.call(people[0], "GET", f"/v1/messages/{one.answered[-1]}")  # it is stored
            rows = await hub.history(people[0], one.chat)
            assert [row["message_id"] for row in rows] == one.answered, "all of them, once, in the order of their 202s"
            assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    report(f"seed {SEED}: {sum(len(one.answered) for one in turns)} posts in turn, killed at {plan}")


async def test_a_server_that_answers_before_the_log_has_it_is_caught(tmp_path):
    hub, over = Hub(tmp_path, "tests.chaos.sabotaged", "answer-first"), asyncio.Event()
    async with hub.ended(), Client(hub.url, "ana", "demo") as ana:

        async def living() -> None:
            await hub.live([("remembered", 3)])
            over.set()

        async def writing() -> Turns:
            await hub.up.wait()
            turns = Turns(hub, await ana.conversation_with("bruno"), 0)
            hub.moves = lambda: len(turns.answered)
            await turns.write([ana], over, 4)
            return turns

        async with asyncio.TaskGroup() as group:
            group.create_task(living())
            told = group.create_task(writing())
        turns = told.result()
        await hub.call(ana, "GET", f"/v1/messages/{turns.answered[-1]}")
        rows = await hub.history(ana, turns.chat)
    assert [row["message_id"] for row in rows] != turns.answered, "what was answered and not in the log was not missed"
