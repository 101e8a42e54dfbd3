"""The server is killed with SIGKILL, again and again, while four people write: every 202 is kept, once, in order.

The kills are seeded (CHAOS_SEED) and go on, sixty at most, until five have landed between an append and its commit:
then the log holds records that the router had not committed. Half of the writers use Idempotency-Keys and send again
what was not answered; the other half do not, and go on with the next.
"""

import asyncio
import contextlib
import dataclasses
import os
import random
import shutil
import sqlite3
from collections import defaultdict

import httpx
import websockets

from chat4all.cli.client import AnswerError, Client
from chat4all.cli.server import Server

SEED = int(os.environ.get("CHAOS_SEED", "20261122"))
POSTS = int(os.environ.get("CHAOS_POSTS", "5000"))
LANDED, KILLS = 5, 60
WRITERS = ("ana", "bruno", "dora", "ivo")
KEYED = ("ana", "dora")
UNLIMITED = {
    "CHAT4ALL_API__POSTS_PER_SECOND": "100000",
    "CHAT4ALL_API__POST_BURST": "100000",
    "CHAT4ALL_ACCOUNTS__LOGINS_PER_MINUTE": "100000",
    "CHAT4ALL_ACCOUNTS__LOGIN_BURST": "1000",
    "CHAT4ALL_GATEWAY__REPLAY_LIMIT": "100000",
}


@dataclasses.dataclass
class Ledger:
    """Every 202, by writer in the order in which they came: (conversation, message id, content)."""

    answered: dict[str, list[tuple[str, str, str]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    unanswered: set[str] = dataclasses.field(default_factory=set)  # contents whose outcome is unknown

    @property
    def total(self) -> int:
        return sum(map(len, self.answered.values()))


class Run:
    """One server, its writers, its reader and its killer."""

    def __init__(self, folder):
        self.folder = folder
        self.random = random.Random(SEED)
        self.server = Server(folder / "data", folder / "server.log", UNLIMITED)
        self.ledger = Ledger()
        self.seen = defaultdict(list)  # what the reader was shown, by conversation
        self.cursors = {}
        self.resumes = 0
        self.kills = self.landed = 0
        self.up = asyncio.Event()
        self.done = asyncio.Event()

    async def tell(self):
        await asyncio.to_thread(self.server.start)
        self.up.set()
        self.chats = await self.meet()
        reading = asyncio.create_task(self.read())
        killing = asyncio.create_task(self.kill())
        writing = [asyncio.create_task(self.write(name)) for name in WRITERS]
        for task in (*writing, killing):
            await task
        histories = {chat: await self.history(chat) for chat in self.chats}
        await self.until(lambda: all(len(self.seen[chat]) >= len(histories[chat]) for chat in self.chats))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return histories

    async def meet(self):
        async with httpx.AsyncClient(base_url=self.server.url, trust_env=False) as http:
            for name in WRITERS[2:]:
                user = {"username": name, "password": "long-enough"}
                (await http.post("/v1/users", json=user)).raise_for_status()
        async with self.client("ana") as ana:
            body = {"type": "group", "members": list(WRITERS[1:])}
            return [(await ana.call("POST", "/v1/conversations", body)).json()["conversation_id"] for _ in range(3)]

    def client(self, name):
        return Client(self.server.url, name, "demo" if name in WRITERS[:2] else "long-enough")

    def is_over(self):
        return self.ledger.total >= POSTS and (self.landed >= LANDED or self.kills >= KILLS)

    async def write(self, name):
        async with self.client(name) as client:
            number = 0
            while not self.is_over():
                chat = self.chats[number % len(self.chats)]
                content = f"{name} no. {number}: olá, مرحبا, 🎉"
                message = await self.post(client, name, chat, content)
                if message:
                    self.ledger.answered[name].append((chat, message, content))
                number += 1

    async def post(self, client, name, chat, content):
        """With a key, until it is answered; without one, once."""
        body, key = {"chat_id": chat, "content": content}, content.split(":")[0].replace(" ", "-")
        while True:
            await self.up.wait()
            try:
                answer = await client.call("POST", "/v1/messages", body, key=key if name in KEYED else None)
            except AnswerError as error:
                assert error.status in (0, 503), error
                if name not in KEYED:
                    self.ledger.unanswered.add(content)
                    return None
                await asyncio.sleep(0.01)
            else:
                return answer.json()["message_id"]

    async def read(self):
        """A strict client: it names what it has, and must be given what comes next, and nothing twice."""
        async with self.client("ivo") as client:
            while True:
                await self.up.wait()
                with contextlib.suppress(AnswerError, websockets.ConnectionClosed):
                    async with client.listening() as socket:
                        await socket.say({"type": "resume", "cursors": self.cursors})
                        self.resumes += 1
                        while True:
                            self.note(await socket.hear())
                await asyncio.sleep(0.02)

    def note(self, frame):
        if "seq" not in frame:
            return
        chat = frame["conversation_id"]
        expected = self.cursors.get(chat, 0) + 1
        assert frame["seq"] == expected, f"{chat}: seq {frame['seq']} was shown where {expected} was next"
        self.cursors[chat] = frame["seq"]
        self.seen[chat].append(frame["message_id"])

    async def kill(self):
        while self.landed < LANDED and self.kills < KILLS:
            goal = self.ledger.total + self.random.randint(POSTS // 40, POSTS // 10)
            await self.until(lambda goal=goal: self.ledger.total >= goal)
            await asyncio.sleep(self.random.random() / 50)
            self.up.clear()
            await asyncio.to_thread(self.server.kill)
            self.kills += 1
            self.landed += await asyncio.to_thread(self.uncommitted) > 0
            await asyncio.to_thread(self.server.start)
            self.up.set()

    def uncommitted(self):
        """How many records the router had not committed when the server was killed; read from a copy of the log."""
        copy = self.folder / f"kill-{self.kills}"
        copy.mkdir()
        for file in (self.folder / "data").glob("log.db*"):
            shutil.copy(file, copy)
        query = (
            "SELECT SUM(b.next - COALESCE(c.next, 0)) FROM bounds b LEFT JOIN committed c ON c.topic = b.topic"
            " AND c.partition = b.partition AND c.grp = 'chat4all.router' WHERE b.topic = 'chat4all.conversations'"
        )
        with contextlib.closing(sqlite3.connect(copy / "log.db")) as connection:
            return connection.execute(query).fetchone()[0]

    async def history(self, chat):
        """All of it, page by page, once the router has caught up."""
        last = [answered[-1] for answered in self.ledger.answered.values()]
        async with self.client("ana") as client:
            for _, message, _ in last:
                await self.until_stored(client, message)
            rows, after = [], 0
            while page := (
                await client.call("GET", f"/v1/conversations/{chat}/messages?after_seq={after}&limit=200")
            ).json():
                rows += page
                after = page[-1]["seq"]
            return rows

    async def until_stored(self, client, message):
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(AnswerError):
                    return await client.call("GET", f"/v1/messages/{message}")
                await asyncio.sleep(0.05)

    async def until(self, condition):
        async with asyncio.timeout(300):
            while not condition():
                await asyncio.sleep(0.005)


async def test_every_202_is_kept_once_in_order_whenever_the_server_is_killed(tmp_path, report):
    run = Run(tmp_path)
    try:
        histories = await run.tell()
    finally:
        run.server.kill()
    report(
        f"seed {SEED}: {run.ledger.total} posts answered, {len(run.ledger.unanswered)} without a key unanswered, "
        f"{run.kills} kills, {run.landed} between an append and its commit, {run.resumes} resumes of the reader"
    )
    assert run.ledger.total >= POSTS
    assert run.landed >= LANDED, "too few kills landed: nothing was proved"
    for chat, rows in histories.items():
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1)), "dense from 1"
        assert run.seen[chat] == [row["message_id"] for row in rows], "the reader saw it all, once, in order"
        contents = [row["content"] for row in rows]
        assert len(set(contents)) == len(contents), "nothing twice"
        place = {row["message_id"]: row for row in rows}
        answered = {name: [one for one in run.ledger.answered[name] if one[0] == chat] for name in WRITERS}
        for name, posts in answered.items():
            assert all(place[message]["content"] == content for _, message, content in posts), "intact"
            seqs = [place[message]["seq"] for _, message, _ in posts]
            assert seqs == sorted(seqs), f"{name}'s messages are in the order in which they were posted"
        known = {content for posts in answered.values() for _, _, content in posts}
        assert set(contents) - known <= run.ledger.unanswered, "what nobody was told of is what nobody knew of"
