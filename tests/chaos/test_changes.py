"""Edits, deletes and what people write on their phones have their effect once and in order, whatever dies.

Ana writes to people with phones, edits and deletes what she wrote, each change only when the one before is accepted;
they write back and edit. The server dies at named points of a request, of a send, of what comes in. Of what was
accepted the last change counts, in the app and on the phone; both sides are in order; timelines, seqs and log agree.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chaos.hub import Hub, Patience, deaths, together
from tests.chaos.length import SEED, length_of
from tests.chaos.people import Person, simulated, simulating
from tests.chaos.timelines import disagreements, order_in_log

from chat4all.client import Client

LENGTH = length_of("changes")
POINTS = (
    "accepted",
    "rows",
    "told",
    "claimed",
    "asked",
    "answered",
    "settled",
    "receipts",
    "placed",
    "heard",
    "mailed",
)


class Talk:
    """What was said between ana and one person: the last word on each message."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.hub, self.ana = person.hub, person.ana
        self.last: dict[str, str] = {}  # of ana's, by id; empty: deleted
        self.changes: list[str] = []  # ids of accepted changes
        self.said: list[str] = []

    async def write(self, over: asyncio.Event) -> None:
        """Ana's side: every message is followed by none, two or three changes."""
        number = 0
        while not over.is_set() or number < LENGTH.work:
            await self.hub.doubts(
                self.ana, await self._post(number)
            )  # a phone takes one a second: no more are to pile up
            number += 1

    async def _post(self, number: int) -> str:
        texts = [f"{number}: {what}" for what in ("first", "second", "third")]
        message = await self.person.post(f"{texts[0]} to {self.person.first_name}")
        self.last[message] = f"{texts[0]} to {self.person.first_name}"
        if number % 3:
            for text in texts[1:]:
                await self._change(message, "PATCH", text)
        if number % 3 == 2:
            await self._change(message, "DELETE", "")
        return message

    async def _change(self, message: str, method: str, text: str) -> None:
        body = {"content": text} if text else None
        key = f"{message}-{method}-{len(self.changes)}"
        made = await self.hub.call(self.ana, method, f"/v1/messages/{message}", body, key=key)
        self.changes.append(made["change_id"])
        self.last[message] = text

    async def answer(self, over: asyncio.Event) -> None:
        """The person's side: every second message is edited."""
        while not over.is_set() or len(self.said) < LENGTH.work:
            text = f"says {len(self.said)}"
            written = await self.person.write(text)
            if len(self.said) % 2:
                text += ", or rather not"
                await self.person.rewrite(written, text)
            self.said.append(text)
            await asyncio.sleep(0.5)  # their pace

    async def judged(self, report: Counter[str]) -> list[str]:
        """What is not as it must be, when each side has the other's last word."""
        doubts = await self._arrived()
        rows = await self.hub.history(self.ana, self.person.chat, "all")
        stored = [row for row in rows if row["type"] == "message"]
        timelines = {row["message_id"]: await self._timeline(row["message_id"]) for row in stored}
        mine = {row["message_id"]: row["content"] for row in stored if row["sender_id"] == "ana"}
        theirs = [row["content"] for row in stored if row["sender_id"] != "ana"]
        report.update(messages=len(stored), changes=len(self.changes), doubts=sum(doubts.values()))
        found = disagreements(rows, timelines)
        if list(mine.items()) != list(self.last.items()):
            found.append(f"of ana's {self.last} there is {mine}")
        if theirs != ["hello", *self.said]:
            found.append(f"of what they said {self.said} there is {theirs}")
        return found + self._on_the_phone(await self.person.shows(), doubts)

    async def _timeline(self, message: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.hub.call(self.ana, "GET", f"/v1/messages/{message}/timeline")
        return found

    async def _arrived(self) -> dict[str, int]:
        """Wait until each side has the other's last word; how many attempts are in doubt, by message."""
        patience, heard = Patience(self.hub, f"all heard of {self.person.first_name}"), ""
        while heard != self.said[-1]:
            rows = await self.hub.history(self.ana, self.person.chat)
            heard = [row["content"] for row in rows if row["sender_id"] != "ana"][-1]
            await patience.wait(heard)
        doubts = {message: await self.hub.doubts(self.ana, message) for message in self.last}
        patience = Patience(self.hub, f"all shown to {self.person.first_name}")
        while self._on_the_phone(shown := await self.person.shows(), doubts):
            await patience.wait(shown)
        return doubts

    def _on_the_phone(self, shown: list[str], doubts: dict[str, int]) -> list[str]:
        """Each is there once, as it was at last, in order; for each attempt in doubt there may be one old copy."""
        found, numbers = [], [int(text.partition(":")[0]) for text in shown]
        if numbers != sorted(numbers):
            found.append(f"out of order on the phone: {shown}")
        for number, (message, last) in enumerate(self.last.items()):
            there = [text for one, text in zip(numbers, shown, strict=True) if one == number]
            if there.count(last) < bool(last) or len(there) > bool(last) + doubts[message]:
                found.append(f"{number} is on the phone as {there}, {doubts[message]} in doubt, for {last!r}")
        return found


async def arrive(coming: Iterator[Person], came: list[Person], over: asyncio.Event) -> None:
    """One after the other writes for the first time, so that there is always a conversation that begins."""
    while not over.is_set():
        came.append(next(coming))
        await came[-1].meet()
        await asyncio.sleep(0.5)  # their pace


@pytest.mark.parametrize("webhook", [True, False], ids=["by webhook", "by polling"])
async def test_changes_and_answers_have_their_effect_once_and_in_order(tmp_path, report, webhook):
    over, counted = asyncio.Event(), Counter[str]()
    async with simulating(tmp_path) as simulator:
        hub = Hub(tmp_path)
        bot = simulated(simulator, hub, webhook=webhook)
        async with hub.ended(), Client(hub.url, "ana", "demo") as ana:
            talks = [Talk(Person(hub, ana, bot, number)) for number in range(LENGTH.wide)]
            hub.moves = lambda: [(len(one.last), len(one.changes), len(one.said)) for one in talks]
            plan = deaths(POINTS, LENGTH.kills, random.Random(SEED + webhook), latest=4)

            async def living() -> None:
                await hub.live(plan)
                over.set()

            async def talking(talk: Talk) -> None:
                await talk.person.meet()
                await together(talk.write(over), talk.answer(over))

            newcomers: list[Person] = []
            coming = (Person(hub, ana, bot, number) for number in itertools.count(LENGTH.wide))
            await together(living(), *map(talking, talks), arrive(coming, newcomers, over))
            found = [fault for talk in talks for fault in await talk.judged(counted)]
            for person in newcomers:
                said = [row["content"] for row in await hub.history(ana, person.chat)]
                assert said == ["hello"], f"{person.first_name} came, and of what they said there is {said}"
            counted["newcomers"] += len(newcomers)
            stored = {
                talk.person.chat: [row["message_id"] for row in await hub.history(ana, talk.person.chat)]
                for talk in talks
            }
            await asyncio.to_thread(hub.stop)
    report(f"seed {SEED}: {dict(counted)}, killed at {plan}")
    assert found == []
    assert all(talk.changes for talk in talks)
    assert stored == {chat: order_in_log(hub.data, chat) for chat in stored}, "the order of the log"
