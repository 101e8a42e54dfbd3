"""What a world stands on: the embedded twins in a folder, with a clock by which silence passes."""

import asyncio
import atexit
import concurrent.futures
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from chat4all.directory.port import Conversation, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Topic
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.routing.router import Router, RoutingSettings
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore

CHATS = ("chat-a", "chat-b", "chat-d")  # two in one partition, the third in the other
PEOPLE = ("ana", "bruno", "carla")
PARTITIONS = 2
GATEWAY = "gateway"

Sabotage = Callable[[type[Any]], type[Any]]  # a class made wrong


class Engines(Protocol):
    """`chats`: conversations of ana and bruno; `told_within`: seconds that a push may take; `patience`: how many turns
    it may take until a router has its first records."""

    @property
    def log(self) -> Any: ...

    @property
    def store(self) -> Any: ...

    @property
    def ledger(self) -> Any: ...

    @property
    def directory(self) -> Any: ...

    @property
    def channels(self) -> Any: ...

    @property
    def realtime(self) -> Any: ...

    @property
    def chats(self) -> tuple[str, ...]: ...

    @property
    def settings(self) -> RoutingSettings: ...

    @property
    def told_within(self) -> float: ...

    @property
    def patience(self) -> int: ...

    async def open(self) -> None:
        """Ready to be used: topics, people, conversations."""
        ...

    async def close(self) -> None:
        """Nothing stays."""
        ...

    async def gone(self, router: Router) -> None:
        """The process of this router has crashed."""
        ...

    async def silence(self, seconds: float) -> None:
        """So long nothing is heard of those routers that do not run, or longer than the group waits for them."""
        ...

    def committed(self) -> int | None:
        """How many transactions the store has committed: what a reader saw before it still sees. None: not known."""
        ...


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class EmbeddedEngines:
    """`store`: makes its class wrong."""

    told_within = 0.0
    patience = 1
    settings = RoutingSettings(batch=40, poll_seconds=0.0001, retry_seconds=0.0001)

    def __init__(self, *, store: Sabotage = lambda right: right) -> None:
        self.chats = CHATS
        self._folder = Path(tempfile.mkdtemp(prefix="spine-"))
        self.clock = Clock()
        self.log = EmbeddedLog(self._folder / "log.db", synchronous="OFF", clock=self.clock)
        self.store = store(EmbeddedStore)(self._folder / "store.db", synchronous="OFF")
        self.realtime = EmbeddedRealtime(clock=lambda: 0.0)
        shutil.copy(_directory_template(), self._folder / "directory.db")
        self._sql = Sql.in_file(self._folder / "directory.db")
        self.directory = SqlDirectory(self._sql)
        self.channels = SqlChannels(self._sql)
        self.ledger = EmbeddedLedger(self._folder / "ledger.db", synchronous="OFF")

    async def open(self) -> None:
        await self.log.open()
        await self.store.open()
        await self.ledger.open()
        await self.log.create([Topic(name, PARTITIONS, 1e9) for name in (CONVERSATIONS, EVENTS, DEAD_LETTERS)])

    async def close(self) -> None:
        await self.log.close()
        await self.store.close()
        await self.ledger.close()
        await self._sql.close()
        shutil.rmtree(self._folder)

    async def gone(self, router: Router) -> None:
        """Its partitions are others' once the clock says so."""

    async def silence(self, seconds: float) -> None:
        self.clock.now += seconds

    def committed(self) -> int | None:
        commits: int = self.store._database.commits
        return commits

    async def rewind(self, back: int) -> None:
        """The group is at an earlier place."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE committed SET next = MAX(0, next - ?) WHERE topic = ?", (back, CONVERSATIONS))

        await self.log._database.write(work)


_TEMPLATE: list[Path] = []


def _directory_template() -> Path:
    """A directory with people and conversations, made once: migrations take their time."""
    if not _TEMPLATE:
        folder = Path(tempfile.mkdtemp(prefix="spine-template-"))
        atexit.register(shutil.rmtree, folder)
        with concurrent.futures.ThreadPoolExecutor(1) as thread:  # a test's own loop may be running in this one
            thread.submit(asyncio.run, _fill(folder / "directory.db")).result()
        _TEMPLATE.append(folder / "directory.db")
    return _TEMPLATE[0]


async def _fill(path: Path) -> None:
    sql = Sql.in_file(path)
    await sql.open()
    directory = SqlDirectory(sql)
    for who in PEOPLE:
        await directory.add_user(User(username=who))
    for chat in CHATS:
        await directory.add_conversation(conversation(chat), [])
    await sql.close()


def conversation(chat: str) -> Conversation:
    """One that ana has with bruno."""
    return Conversation(
        conversation_id=chat, type="group", created_by="ana", created_at=1, metadata={}, members=("ana", "bruno")
    )
