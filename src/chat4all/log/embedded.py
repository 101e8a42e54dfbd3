"""The log on SQLite, for one process: every consumer of a group lives here, so groups are kept in memory."""

import asyncio
import sqlite3
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from chat4all.drivers.sqlite import Database
from chat4all.log.groups import ConsumerGroup, GroupMember
from chat4all.log.port import Appended, Assignment, Batch, Entry, LogRecord, OffsetOutOfRangeError, Topic, traced
from chat4all.model.engines import Description

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention REAL NOT NULL);
CREATE TABLE IF NOT EXISTS identities (name TEXT PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS bounds (
  topic TEXT, partition INTEGER, start INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (
  topic TEXT, partition INTEGER, offset INTEGER, timestamp INTEGER NOT NULL,
  key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB,
  PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS committed (
  grp TEXT, topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (grp, topic, partition)
) WITHOUT ROWID;
"""

_ALLOCATE: Final = "UPDATE bounds SET next = next + 1 WHERE topic = ? AND partition = ? RETURNING next - 1"
_INSERT: Final = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"
_READ: Final = """
SELECT offset, timestamp, key, value, headers FROM records
WHERE topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?
"""
_COMMIT: Final = "INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?)"
_TRIM: Final = """
DELETE FROM records WHERE topic = :topic AND partition = :partition AND timestamp < :before
AND offset < (SELECT COALESCE(MIN(next), :end) FROM committed WHERE topic = :topic AND partition = :partition)
"""

_Headers = tuple[tuple[str, bytes], ...]
_headers = msgspec.msgpack.Decoder(_Headers)

_SESSION_SECONDS: Final = 6.0  # without a poll; then another consumer may take over, as on Kafka


class EmbeddedLog:
    """The log keeps topics, partitions, offsets and groups in one file. `topics`: those that every installation has;
    `clock`: seconds that never go back, for group sessions."""

    def __init__(
        self,
        path: Path,
        topics: Sequence[Topic] = (),
        *,
        synchronous: str = "FULL",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = Database(path, _SCHEMA, engine="log", synchronous=synchronous)
        self._installed_topics = topics
        self._clock = clock
        self._topics: dict[str, int] = {}
        self._ends: dict[tuple[str, int], int] = {}
        self._groups: dict[tuple[str, str], ConsumerGroup] = {}
        self._waiting: set[asyncio.Event] = set()

    async def open(self) -> None:
        """Open or make the file. Raises EngineUnavailableError."""
        self._database.open()
        self._topics = dict(await self._database.read(_topics))
        self._ends = await self._database.read(_ends)

    async def migrate(self) -> str:
        await self.create(self._installed_topics)
        return f"topics {', '.join(topic.name for topic in self._installed_topics)}"

    async def check(self) -> None:
        self._database.check_open()

    async def describe(self) -> Description:
        return Description(f"SQLite {sqlite3.sqlite_version}, {self._database.path}")

    async def close(self) -> None:
        """Finish the writes that are under way, then close the file."""
        self._database.close()

    @property
    def begun(self) -> bool:
        """Whether it has topics: they are made when everything else of an installation is there."""
        return bool(self._topics)

    @property
    def syncs(self) -> int:
        """This is the number of commits since the file was opened: concurrent appends share one."""
        return self._database.commits

    async def create(self, topics: Sequence[Topic]) -> None:
        await self._database.write(lambda connection: _create(connection, topics))
        self._topics = dict(await self._database.read(_topics))
        self._ends = await self._database.read(_ends) | self._ends

    async def partitions(self, topic: str) -> int:
        self._database.check_open()
        return self._topics.get(topic, 0)

    async def identity(self, topic: str) -> str:
        query = "SELECT id FROM identities WHERE name = ?"
        row = await self._database.read(lambda connection: connection.execute(query, (topic,)).fetchone())
        return str(row[0]) if row else ""

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        entries = traced(entries)
        places = [(entry.topic, self._partition(entry)) for entry in entries]
        now = time.time_ns() // 1_000_000
        return await self._database.write(
            lambda connection: _append(connection, entries, places, now),
            on_commit=lambda appended: self._note_appended(places, appended),
        )

    def _note_appended(self, places: Sequence[tuple[str, int]], appended: Sequence[Appended]) -> None:
        """Move the ends and wake the readers. It is called for every append that is on disk, whether or not anyone
        still waits for it."""
        for place, at in zip(places, appended, strict=True):
            self._ends[place] = max(self._ends.get(place, 0), at.offset + 1)
        for event in self._waiting:
            event.set()

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[LogRecord]:
        place = (topic, partition, offset, limit)
        return [
            _record(*row)
            for row in await self._database.read(lambda connection: connection.execute(_READ, place).fetchall())
        ]

    def consumer(self, group: str, topic: str) -> "EmbeddedConsumer":
        shared = self._groups.setdefault((group, topic), ConsumerGroup(topic, self._clock, _SESSION_SECONDS))
        return EmbeddedConsumer(self, group, shared)

    async def trim(self) -> int:
        """Delete records that are older than their topic's retention and needed by no group. Return how many went."""
        now = time.time() * 1000
        groups = [(group, topic) for group, topic in self._groups]

        def work(connection: sqlite3.Connection) -> int:
            return sum(
                _trim(connection, topic, partition, now - retention * 1000)
                if not _unread(connection, topic, partition, groups)
                else 0
                for topic, count, retention in connection.execute("SELECT * FROM topics").fetchall()
                for partition in range(count)
            )

        return await self._database.write(work)

    def _partition(self, entry: Entry) -> int:
        count = self._topics.get(entry.topic)
        if count is None:
            raise LookupError(f"there is no topic {entry.topic}")
        return zlib.crc32(entry.key) % count


class EmbeddedConsumer:
    """A consumer is one member of a group in this process. Implements `Consumer`."""

    def __init__(self, log: EmbeddedLog, name: str, group: ConsumerGroup) -> None:
        self._log = log
        self._name = name
        self._group = group
        self._member = GroupMember()
        self._next: dict[Assignment, int] = {}
        self._paused: set[Assignment] = set()
        self._turn = 0

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        deadline = time.monotonic() + timeout
        event = asyncio.Event()
        self._log._waiting.add(event)  # noqa: SLF001 - a consumer is a part of its log
        try:
            while True:
                event.clear()
                await self._take_over()
                batches = await self._fetch(max_records)
                left = deadline - time.monotonic()
                if batches or left <= 0:
                    return batches
                await _either(event, self._group.changed, min(left, 1.0))
        finally:
            self._log._waiting.discard(event)  # noqa: SLF001 - its log

    async def commit(self, offsets: Mapping[Assignment, int]) -> frozenset[Assignment]:
        lost = frozenset(offsets) - self._group.owned(self._member)
        rows = [(self._name, a.topic, a.partition, next_) for a, next_ in offsets.items() if a not in lost]
        if rows:
            await self._log._database.write(lambda connection: connection.executemany(_COMMIT, rows))  # noqa: SLF001 - its log
        return lost

    def seek(self, assignment: Assignment, offset: int) -> None:
        if assignment in self._next:
            self._next[assignment] = offset

    def pause(self, assignment: Assignment) -> None:
        if assignment in self._next:
            self._paused.add(assignment)

    def assignments(self) -> frozenset[Assignment]:
        return frozenset(self._next)

    async def lag(self) -> dict[Assignment, int]:
        committed = await self._committed(list(self._next))
        return {a: self._end(a) - committed[a] for a in committed}

    async def close(self) -> None:
        self._group.leave(self._member)
        self._next.clear()

    def _end(self, assignment: Assignment) -> int:
        return self._log._ends.get((assignment.topic, assignment.partition), 0)  # noqa: SLF001 - its log

    async def _take_over(self) -> None:
        """Learn what this member owns now, and forget assignments that it has lost."""
        owned = self._group.join(self._member, await self._log.partitions(self._group.topic))
        for lost in self._next.keys() - owned:
            del self._next[lost]
            self._paused.discard(lost)
        fresh = [a for a in owned if a not in self._next]
        if fresh:
            self._next |= await self._committed(fresh)

    async def _committed(self, assignments: list[Assignment]) -> dict[Assignment, int]:
        def work(connection: sqlite3.Connection) -> dict[int, int]:
            rows = connection.execute(
                "SELECT b.partition, COALESCE(c.next, b.start) FROM bounds b LEFT JOIN committed c "
                "ON c.topic = b.topic AND c.partition = b.partition AND c.grp = ? WHERE b.topic = ?",
                (self._name, self._group.topic),
            )
            return dict(rows.fetchall())

        offsets = await self._log._database.read(work)  # noqa: SLF001 - its log
        return {a: offsets[a.partition] for a in assignments}

    async def _fetch(self, max_records: int) -> list[Batch]:
        ready = sorted(
            (a for a, next_ in self._next.items() if a not in self._paused and next_ != self._end(a)),
            key=lambda a: a.partition,
        )
        if not ready:
            return []
        self._turn = (self._turn + 1) % len(ready)
        ready = ready[self._turn :] + ready[: self._turn]
        wanted = [(a, self._next[a]) for a in ready]
        batches, error = await self._log._database.read(lambda connection: _fetch(connection, wanted, max_records))  # noqa: SLF001 - its log
        if error is not None:
            raise error
        for batch in batches:
            self._next[batch.assignment] = batch.records[-1].offset + 1
        return batches


async def _either(event: asyncio.Event, other: asyncio.Event, timeout: float) -> None:
    tasks = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(other.wait())]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _topics(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT name, partitions FROM topics").fetchall()


def _ends(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    return {(topic, part): end for topic, part, end in connection.execute("SELECT topic, partition, next FROM bounds")}


def _create(connection: sqlite3.Connection, topics: Sequence[Topic]) -> None:
    for topic in topics:
        insert = connection.execute(
            "INSERT OR IGNORE INTO topics VALUES (?, ?, ?)", (topic.name, topic.partitions, topic.retention_seconds)
        )
        # Also for a topic that is older than the table of identities.
        connection.execute("INSERT OR IGNORE INTO identities VALUES (?, ?)", (topic.name, uuid.uuid4().hex))
        if insert.rowcount:
            bounds = [(topic.name, partition) for partition in range(topic.partitions)]
            connection.executemany("INSERT INTO bounds VALUES (?, ?, 0, 0)", bounds)


def _append(
    connection: sqlite3.Connection, entries: Sequence[Entry], places: list[tuple[str, int]], now: int
) -> list[Appended]:
    appended = []
    for entry, (topic, partition) in zip(entries, places, strict=True):
        (offset,) = connection.execute(_ALLOCATE, (topic, partition)).fetchone()
        headers = msgspec.msgpack.encode(entry.headers) if entry.headers else None
        connection.execute(_INSERT, (topic, partition, offset, now, entry.key, entry.value, headers))
        appended.append(Appended(partition, offset))
    return appended


def _fetch(
    connection: sqlite3.Connection, wanted: list[tuple[Assignment, int]], max_records: int
) -> tuple[list[Batch], OffsetOutOfRangeError | None]:
    batches: list[Batch] = []
    for assignment, offset in wanted:
        place = (assignment.topic, assignment.partition)
        start, end = connection.execute(
            "SELECT start, next FROM bounds WHERE topic = ? AND partition = ?", place
        ).fetchone()
        if not start <= offset <= end:
            if batches:  # the good batches go first; the next poll comes to this partition again
                break
            return [], OffsetOutOfRangeError(assignment, f"offset {offset} is outside {start}..{end}")
        rows = connection.execute(_READ, (*place, offset, max_records)).fetchall()
        if rows:
            batches.append(Batch(assignment, [_record(*row) for row in rows]))
            max_records -= len(rows)
        if max_records <= 0:
            break
    return batches, None


def _record(offset: int, timestamp: int, key: bytes, value: bytes, headers: bytes | None) -> LogRecord:
    return LogRecord(offset, timestamp, key, value, _headers.decode(headers) if headers else ())


def _unread(connection: sqlite3.Connection, topic: str, partition: int, groups: list[tuple[str, str]]) -> bool:
    """Return whether a group that has joined never committed this partition: it will start at the beginning."""
    query = "SELECT grp FROM committed WHERE topic = ? AND partition = ?"
    committed = {group for (group,) in connection.execute(query, (topic, partition))}
    return any(joined == topic and group not in committed for group, joined in groups)


def _trim(connection: sqlite3.Connection, topic: str, partition: int, before: float) -> int:
    place = {"topic": topic, "partition": partition}
    (end,) = connection.execute(
        "SELECT next FROM bounds WHERE topic = :topic AND partition = :partition", place
    ).fetchone()
    count = connection.execute(_TRIM, place | {"before": before, "end": end}).rowcount
    connection.execute(
        "UPDATE bounds SET start = COALESCE((SELECT MIN(offset) FROM records "
        "WHERE topic = :topic AND partition = :partition), next) WHERE topic = :topic AND partition = :partition",
        place,
    )
    return count
