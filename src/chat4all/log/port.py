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
    """How a topic is made. `retention_seconds`: older records may go, unless a group that is known still needs them."""

    name: str
    partitions: int
    retention_seconds: float


def outbound_topic(connector: str) -> Topic:
    """Where a connector finds what it has to send: keyed by the chat, made when the connector is registered."""
    return Topic(f"{OUTBOUND}{connector}", 6, 30 * 86_400.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """Something to append. Entries of one key in one topic keep their order."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def traced(entries: Sequence[Entry]) -> Sequence[Entry]:
    """With the trace that this task is a part of, unless they carry one: every `append` does this first."""
    headers = carried()
    if not headers:
        return entries
    return [e if carried_by(e.headers) else dataclasses.replace(e, headers=(*e.headers, *headers)) for e in entries]


@dataclasses.dataclass(frozen=True, slots=True)
class Appended:
    """Where an entry now stands."""

    partition: int
    offset: int


@dataclasses.dataclass(frozen=True, slots=True)
class LogRecord:
    """An entry as it is read. `timestamp`: when it was appended, milliseconds since 1970."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """One partition given to one consumer, once. Given again, it is another object: whatever is kept by assignment
    (a cached head) cannot survive into the next."""

    topic: str
    partition: int


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of one partition, in the log's order, at least one."""

    assignment: Assignment
    records: Sequence[LogRecord]


def dead_letter(assignment: Assignment, entry: LogRecord, reason: str) -> Entry:
    """The entry as it was, with where it stood and why it is no record. A replay writes it again, the same."""
    headers = (
        ("origin-topic", assignment.topic.encode()),
        ("origin-partition", str(assignment.partition).encode()),
        ("origin-offset", str(entry.offset).encode()),
        ("reason", reason.encode("utf-8", "replace")[:1000]),
    )
    return Entry(DEAD_LETTERS, entry.key, entry.value, (*entry.headers, *headers))


class OffsetOutOfRangeError(Exception):
    """The group's offset is not in the partition: it was trimmed, restored or made again. Nothing is skipped."""

    def __init__(self, assignment: Assignment, detail: str) -> None:
        super().__init__(f"{assignment.topic}/{assignment.partition}: {detail}")
        self.assignment = assignment


class Consumer(Protocol):
    """One member of a group. Not to be used from two tasks at once.

    Every method raises EngineUnavailableError when the log cannot be reached.
    """

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        """Wait up to `timeout` seconds for records; at most `max_records` in all, whole partitions fairly by turns.

        Starts where the group committed, at the beginning where it never did. Raises OffsetOutOfRangeError. When it
        raises, nothing was taken: the next poll gives the same records.
        """
        ...

    async def commit(self, offsets: Mapping[Assignment, int]) -> frozenset[Assignment]:
        """Remember the next offset to read of each. Returns those that have moved to another consumer meanwhile: their
        offset is ignored. That is normal; drop what was cached, nothing needs undoing."""
        ...

    def seek(self, assignment: Assignment, offset: int) -> None:
        """Read this offset next. Does nothing for an assignment that was lost."""
        ...

    def pause(self, assignment: Assignment) -> None:
        """Give no more records of this assignment, and stay its owner. Does nothing for one that was lost."""
        ...

    def assignments(self) -> frozenset[Assignment]:
        """What this consumer owns as of its last poll."""
        ...

    async def lag(self) -> dict[Assignment, int]:
        """Records between the group's committed offset and the end, for what this consumer owns."""
        ...

    async def close(self) -> None:
        """Leave the group; its partitions move to the others at their next poll."""
        ...


class Log(Protocol):
    """The log. Every method raises EngineUnavailableError within a bounded time rather than hang."""

    async def create(self, topics: Sequence[Topic]) -> None:
        """Make the topics that are not there. One that is there stays as it is, whatever its partitions."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many the topic has; nought if there is no such topic."""
        ...

    async def identity(self, topic: str) -> str:
        """What tells this topic from any other that has had its name; empty if there is no such topic."""
        ...

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        """Append them; they are durable when this returns.

        After EngineUnavailableError the outcome is unknown, of each by itself. Raises LookupError for a topic that is
        not there; then nothing was appended.
        """
        ...

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[LogRecord]:
        """Records from this offset on, of nobody's group: to look at. Fewer than `limit`: there are no more now.

        Nothing for a partition or topic that is not there.
        """
        ...

    async def trim(self) -> int:
        """Let go of records that are older than their topic's retention and needed by no group; how many went."""
        ...

    def consumer(self, group: str, topic: str) -> Consumer:
        """Join a group; partitions are given to it from its first poll on."""
        ...
