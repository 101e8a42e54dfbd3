"""The server dies at named points, again and again, while four people write: every 202 is kept, once, in order.

It dies between an append and its answer, and between a record's rows, head, effects and commit: then the log holds
records that the router had not committed. Half of the writers use Idempotency-Keys and send again what was not
answered; the other half do not, and go on with the next.
"""

import asyncio
import contextlib
import dataclasses
import random
import shutil
import sqlite3
from collections import defaultdict

import httpx
import websockets
from tests.chaos.hub import Hub, deaths, together
from tests.chaos.killed import STEP, UNCOMMITTED
from tests.chaos.length import SEED, length_of

from chat4all.client import AnswerError, Client

LENGTH = length_of("kills")
BETWEEN = ("accepted", "rows", "heads", "told")  # points at which the log holds what the router has not committed
POINTS = (*BETWEEN, "remembered", "committed", STEP)
STEPS = 3000  # the latest of them: some are in the start, some while people write
WRITERS = ("ana", "bruno", "dora", "ivo")
KEYED = ("ana", "dora")


@dataclasses.dataclass
class Ledger:
    """Every 202, by writer in the order in which they came: (conversation, message id, content)."""

    answered: dict[str, list[tuple[str, str, str]]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    unanswered: set[str] = dataclasses.field(default_factory=set)  # contents whose outcome is unknown

    @property
    def total(self) -> int:
        return sum(map(len, self.answered.values()))


class Run:
    """One server, its writers and its reader."""

    def __init__(self, folder):
        self.folder = folder
        self.hub = Hub(folder)
        self.hub.moves = lambda: (self.ledger.total, sum(map(len, self.seen.values())))
        self.ledger = Ledger()
        self.seen = defaultdict(list)  # what the reader was shown, by conversation
        self.cursors = {}
        self.resumes = 0
        self.left = []  # at which point it died, and how many records it had not committed
        chance = random.Random(SEED)
        plan = deaths(POINTS, LENGTH.kills, chance)
        self.plan = [(point, chance.randint(300, STEPS) if point == STEP else nth) for point, nth in plan]
        self.over = asyncio.Event()

    async def tell(self):
        await self.hub.live([])
        self.chats = await self.meet()
        await asyncio.to_thread(self.hub.kill)
        self.hub.up.clear()
        reading = asyncio.create_task(self.read())
        await together(self.live(), *map(self.write, WRITERS))
        histories = {chat: await self.history(chat) for chat in self.chats}

        def shown() -> bool:
            return all(len(self.seen[chat]) >= len(histories[chat]) for chat in self.chats)

        await self.hub.until(lambda: reading.done() or shown(), "all shown")
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        return histories

    async def live(self):
        await self.hub.live(self.plan, self.look)
        await self.hub.until(lambda: self.ledger.total >= LENGTH.work, "enough written")
        self.over.set()

    async def meet(self):
        async with httpx.AsyncClient(base_url=self.hub.url, trust_env=False, timeout=60) as http:
            for name in WRITERS[2:]:
                user = {"username": name, "password": "long-enough"}
                (await http.post("/v1/users", json=user)).raise_for_status()
        async with self.client("ana") as ana:
            body = {"type": "group", "members": list(WRITERS[1:])}
            return [(await ana.call("POST", "/v1/conversations", body)).json()["conversation_id"] for _ in range(3)]

    def client(self, name):
        return Client(self.hub.url, name, "demo" if name in WRITERS[:2] else "long-enough")

    async def write(self, name):
        async with self.client(name) as client:
            number = 0
            while not self.over.is_set():
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
            await self.hub.up.wait()
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
                await self.hub.up.wait()
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

    def look(self, point):
        """At what a death has left."""
        self.left.append((point, self.uncommitted()))

    def uncommitted(self):
        """How many records the router had not committed when the server was killed; read from a copy of the log."""
        copy = self.folder / f"death-{len(self.left)}"
        copy.mkdir()
        for file in self.hub.data.glob("log.db*"):
            shutil.copy(file, copy)
        with contextlib.closing(sqlite3.connect(copy / "log.db")) as connection:
            return connection.execute(UNCOMMITTED).fetchone()[0]

    async def history(self, chat):
        """All of it, once the router has caught up."""
        async with self.client("ana") as client:
            for answered in self.ledger.answered.values():
                await self.hub.call(client, "GET", f"/v1/messages/{answered[-1][1]}")
            return await self.hub.history(client, chat)


async def test_every_202_is_kept_once_in_order_whenever_the_server_is_killed(tmp_path, report):
    run = Run(tmp_path)
    async with run.hub.ended():
        histories = await run.tell()
    report(
        f"seed {SEED}: {run.ledger.total} posts answered, {len(run.ledger.unanswered)} without a key unanswered, "
        f"{run.resumes} resumes of the reader; deaths and what they left uncommitted: {run.left}"
    )
    assert run.ledger.total >= LENGTH.work
    assert len(run.left) == LENGTH.kills
    assert all(left for point, left in run.left if point in BETWEEN)
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
