"""A steady load, a strict reader, and the account of every 202."""

import asyncio
import contextlib
import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import websockets

from chat4all.client import DEMO_PASSWORD, AnswerError, Client
from chat4all_devtools.phones import Phones

WRITERS = 5
PER_SECOND = 50.0
Clients = Callable[[str], Client]
PROBE = "?"  # posted while nobody can take it: its outcome is unknown
PHONE_EVERY = 1.5  # seconds between messages to the one who has a phone: its provider takes one a second
# Seconds in which something has to move, whatever a fault has done. How much there is to be done is no part of it: a
# machine may be ten times slower than usual.
RECOVERS = 120.0


@dataclasses.dataclass
class Account:
    """Every 202, by writer in the order in which they came: (message id, content). `refused`: how many 503s."""

    answered: dict[str, list[tuple[str, str]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    refused: int = 0

    @property
    def total(self) -> int:
        return sum(map(len, self.answered.values()))


class Load:
    """Writes and reads until it is stopped. A post is sent again under its key until it is answered with 202.

    `phones`: the simulator's address; `client`: makes a client of ana, bruno or admin, by default of the demo's users.
    """

    def __init__(self, url: str, phones: str, *, per_second: float = PER_SECOND, client: Clients | None = None) -> None:
        self.account = Account()
        self._per_second = per_second
        self.seen: list[str] = []
        self.resumes = 0
        self.chat = self.phone_chat = ""
        self._client = client or (lambda name: Client(url, name, DEMO_PASSWORD))
        self._phones = phones
        self._cursor = 0
        self._over = asyncio.Event()
        self._writing: list[asyncio.Task[None]] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        async with self._client("ana") as ana:
            self.chat = await _conversation(ana, "admin", "a load")
            self.phone_chat = await _conversation(ana, "bruno", "a phone")
        self._reading = asyncio.create_task(self._read())
        names = [f"writer {number}" for number in range(WRITERS)]
        every = WRITERS / self._per_second
        self._writing = [asyncio.create_task(self._write(name, self.chat, every)) for name in names]
        self._writing.append(asyncio.create_task(self._write("to the phone", self.phone_chat, PHONE_EVERY)))

    async def goes_on(self) -> float:
        """Wait until what is posted from now on is accepted and shown; how many seconds that took."""
        began, total, seen = time.monotonic(), self.account.total, len(self.seen)
        await self._reaches("accepted", lambda: self.account.total, total + 2 * self._per_second)
        await self._reaches("shown", lambda: len(self.seen), max(seen + self._per_second, total))
        return time.monotonic() - began

    async def _reaches(self, what: str, count: Callable[[], int], wanted: float) -> None:
        """Wait until there are so many. Fails where they stand still, or where a writer or the reader has ended."""
        moved, before = time.monotonic(), count()
        while (now := count()) < wanted:
            for task in (*self._writing, self._reading):
                if task is not None and task.done():
                    task.result()
            if now != before:
                moved, before = time.monotonic(), now
            assert time.monotonic() - moved < RECOVERS, f"no more than {now} {what} of {wanted:.0f}"
            await asyncio.sleep(0.02)

    async def finish(self) -> list[dict[str, Any]]:
        """Stop writing; once all is stored and shown, the history."""
        self._over.set()
        async with asyncio.timeout(RECOVERS):
            await asyncio.gather(*self._writing)
        accepted = self.account.total - len(self.account.answered["to the phone"])
        await self._reaches("shown", lambda: len(self.seen), accepted)
        async with self._client("ana") as ana:
            for posts in self.account.answered.values():
                async with asyncio.timeout(RECOVERS):
                    await _stored(ana, posts[-1][0])
            rows = await _history(ana, self.chat)
        await self._reaches("shown", lambda: len(self.seen), len(rows))
        await asyncio.sleep(0.5)  # what would come a second time would come now
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        return rows

    async def on_the_phone(self) -> dict[str, tuple[int, int]]:
        """Of each text to the phone, how often it is there, and how many attempts are in doubt, when all are sent."""
        found = {}
        async with self._client("ana") as ana, Phones(self._phones) as phones:
            for message, text in self.account.answered["to the phone"]:
                async with asyncio.timeout(RECOVERS):
                    events = await _sent(ana, message)
                found[text] = sum("doubt" in event["detail"] for event in events)
            shown = [str(one.get("text")) for one in await phones.shows("bruno")]
        return {text: (shown.count(text), doubts) for text, doubts in found.items()}

    async def _write(self, name: str, chat: str, every: float) -> None:
        due = time.monotonic()
        number = 0
        async with self._client("ana") as client:
            while not self._over.is_set():
                text = f"{name}-{number}-of-{chat[-6:]}".replace(" ", "-")
                message = await self._post(client, chat, text)
                self.account.answered[name].append((message, text))
                number += 1
                due = max(due + every, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _post(self, client: Client, chat: str, text: str) -> str:
        while True:
            try:
                answer = await client.call("POST", "/v1/messages", {"chat_id": chat, "content": text}, key=text)
            except AnswerError as error:
                assert error.status in (0, 502, 503, 504), error
                self.account.refused += 1
                await asyncio.sleep(0.1)
            else:
                return str(answer.json()["message_id"])

    async def _read(self) -> None:
        """A strict client: it names what it has, and must be given what comes next, and nothing twice."""
        async with self._client("admin") as client:
            while True:
                with contextlib.suppress(AnswerError, websockets.ConnectionClosed, TimeoutError):
                    async with client.listening() as socket:
                        await socket.say({"type": "resume", "cursors": {self.chat: self._cursor}})
                        self.resumes += 1
                        while True:
                            self._note(await socket.hear())
                await asyncio.sleep(0.1)

    def _note(self, frame: dict[str, Any]) -> None:
        if "seq" in frame and frame["conversation_id"] == self.chat:
            assert frame["seq"] == self._cursor + 1, f"{frame['seq']} was shown where {self._cursor + 1} was next"
            self._cursor += 1
            self.seen.append(frame["message_id"])


def check(load: Load, rows: list[dict[str, Any]]) -> None:
    """Every 202 is stored once, in order, and was shown once, in order."""
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "dense from 1"
    assert load.seen == [row["message_id"] for row in rows], "the reader saw it all, once, in order"
    place = {row["message_id"]: row for row in rows}
    posts = {name: said for name, said in load.account.answered.items() if name != "to the phone"}
    for name, said in posts.items():
        assert all(place[message]["content"] == text for message, text in said), "intact"
        seqs = [place[message]["seq"] for message, _ in said]
        assert seqs == sorted(seqs), f"{name}'s messages are in the order in which they were posted"
    known = {text for said in posts.values() for _, text in said}
    contents = [row["content"] for row in rows]
    assert {text: contents.count(text) for text in known} == dict.fromkeys(known, 1), "nothing twice"
    assert set(contents) - known <= {PROBE}, "nothing that nobody was told of, but what was answered with 503"


async def _conversation(client: Client, other: str, title: str) -> str:
    body = {"type": "group", "members": [other], "metadata": {"title": title}}
    return str((await client.call("POST", "/v1/conversations", body)).json()["conversation_id"])


async def _stored(client: Client, message: str) -> None:
    while True:
        with contextlib.suppress(AnswerError):
            await client.call("GET", f"/v1/messages/{message}")
            return
        await asyncio.sleep(0.05)


async def _sent(client: Client, message: str) -> list[dict[str, Any]]:
    """Its timeline, once it is sent."""
    events: list[dict[str, Any]] = []
    while not any(event["what"] == "sent" for event in events):
        with contextlib.suppress(AnswerError):
            events = (await client.call("GET", f"/v1/messages/{message}/timeline")).json()
        await asyncio.sleep(0.02)
    return events


async def _history(client: Client, chat: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while page := (
        await client.call(
            "GET", f"/v1/conversations/{chat}/messages?after_seq={rows[-1]['seq'] if rows else 0}&limit=200"
        )
    ).json():
        rows += page
    return rows
