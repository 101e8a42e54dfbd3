"""What the rest of the system may ask of the log. Twins: embedded (SQLite), kafka; tests/contract/test_log.py holds
for each.

The words are Kafka's. Retention and the number of partitions are set when a topic is made.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

from chat4all.telemetry.traces import carried, carried_by

CONVERSATIONS = "chat4all.conversations"
EVENTS = "chat4all.events"
DEAD_LETTERS = "chat4all.dlq"
OUTBOUND = "chat4all.outbound."


@dataclasses.dataclass(frozen=True, slots=True)
class Topic:
    """A topic is made with these properties. `retention_seconds`: older records may be deleted, unless a known group
    still needs them."""

    name: str
    partitions: int
    retention_seconds: float


def outbound_topic(connector: str) -> Topic:
    """Return the topic in which a connector finds what it has to send. Its keys are chats; it is made when the
    connector is registered."""
    return Topic(f"{OUTBOUND}{connector}", 6, 30 * 86_400.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An entry is something to append. Entries of one key in one topic keep their order."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def traced(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the entries with the trace that this task is a part of, where they carry none. Every `append` calls this
    first."""
    headers = carried()
    if not headers:
        return entries
    return [e if carried_by(e.headers) else dataclasses.replace(e, headers=(*e.headers, *headers)) for e in entries]


@dataclasses.dataclass(frozen=True, slots=True)
class Appended:
    """An appended entry stands in this partition at this offset."""

    partition: int
    offset: int


@dataclasses.dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record is an entry as it is read. `timestamp`: when it was appended, milliseconds since 1970."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """An assignment is one partition given to one consumer, once. A partition that is given again is another object, so
    what is kept by assignment (a cached head) cannot survive into the next."""

    topic: str
    partition: int


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """A batch holds consecutive records of one partition, at least one, in the log's order."""

    assignment: Assignment
    records: Sequence[LogRecord]


def dead_letter(assignment: Assignment, entry: LogRecord, reason: str) -> Entry:
    """Return the dead letter of an entry: its key and value as they were, and headers that say where it stood and why
    it could not be read. A replay makes the same dead letter again."""
    headers = (
        ("origin-topic", assignment.topic.encode()),
        ("origin-partition", str(assignment.partition).encode()),
        ("origin-offset", str(entry.offset).encode()),
        ("reason", reason.encode("utf-8", "replace")[:1000]),
    )
    return Entry(DEAD_LETTERS, entry.key, entry.value, (*entry.headers, *headers))


class OffsetOutOfRangeError(Exception):
    """The group's offset is not in the partition, which was trimmed, restored or made again. Nothing is skipped."""

    def __init__(self, assignment: Assignment, detail: str) -> None:
        super().__init__(f"{assignment.topic}/{assignment.partition}: {detail}")
        self.assignment = assignment


class Consumer(Protocol):
    """A consumer is one member of a group. It must not be used by two tasks at once.

    Every method raises EngineUnavailableError when the log cannot be reached.
    """

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        """Wait up to `timeout` seconds for records. Return at most `max_records` in all; partitions take turns.

        Reading starts where the group committed, or at the beginning where it never did. Raises OffsetOutOfRangeError.
        After an error nothing was taken: the next poll returns the same records.
        """
        ...

    async def commit(self, offsets: Mapping[Assignment, int]) -> frozenset[Assignment]:
        """Store the next offset to read of each assignment.

        Return the assignments that have moved to another consumer meanwhile; their offsets are ignored. That is normal:
        drop what was cached for them, nothing needs undoing.
        """
        ...

    def seek(self, assignment: Assignment, offset: int) -> None:
        """Read this offset next. This does nothing for an assignment that was lost."""
        ...

    def pause(self, assignment: Assignment) -> None:
        """Return no more records of this assignment, and stay its owner. This does nothing for one that was lost."""
        ...

    def assignments(self) -> frozenset[Assignment]:
        """Return what this consumer owned at its last poll."""
        ...

    async def lag(self) -> dict[Assignment, int]:
        """Return how many records are between the group's committed offset and the end, for what this consumer owns."""
        ...

    async def close(self) -> None:
        """Leave the group; its partitions move to the others at their next poll."""
        ...


class Log(Protocol):
    """The log has topics of partitions. Every method raises EngineUnavailableError within a bounded time rather than
    hang."""

    async def create(self, topics: Sequence[Topic]) -> None:
        """Make the topics that do not exist. One that exists stays as it is, however many partitions it has."""
        ...

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions of the topic, or 0 if there is no such topic."""
        ...

    async def identity(self, topic: str) -> str:
        """Return the id of this topic and no other that ever had its name, or "" if there is no such topic."""
        ...

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        """Append the entries, and return where each stands. They are durable when this returns.

        After EngineUnavailableError the outcome of each entry is unknown. Raises LookupError for a topic that does not
        exist; then nothing was appended.
        """
        ...

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[LogRecord]:
        """Return records from this offset on, without a group: to look at. Fewer than `limit` means that there are no
        more now.

        Return nothing for a partition or topic that does not exist.
        """
        ...

    async def trim(self) -> int:
        """Delete records that are older than their topic's retention and needed by no group. Return how many went."""
        ...

    def consumer(self, group: str, topic: str) -> Consumer:
        """Return a new member of the group. It is given partitions from its first poll on."""
        ...
