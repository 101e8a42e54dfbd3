"""From a batch of log entries to records with positions; what is no record is set aside."""

import dataclasses
from collections.abc import Sequence

from chat4all.log.port import DEAD_LETTERS, Assignment, Batch, Entry, LogRecord
from chat4all.model import records
from chat4all.model.positions import Position, position


@dataclasses.dataclass(frozen=True, slots=True)
class Arrival:
    """A record and where it stands. `at`: its log time, ms."""

    position: Position
    at: int
    offset: int
    record: records.AnyRecord


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """The partition must not go past this offset until an operator has looked."""

    offset: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Intake:
    """What one batch holds. `next_offset`: what to commit when all of it is done."""

    assignment: Assignment
    arrivals: Sequence[Arrival]
    dead: Sequence[Entry]
    next_offset: int
    stop: Stop | None = None


def take_in(batch: Batch, epoch: int) -> Intake:
    """Decode a batch. Ends before the first record of an unknown kind or newer version, with the reason."""
    arrivals: list[Arrival] = []
    dead: list[Entry] = []
    stop = None
    next_offset = batch.records[0].offset
    for entry in batch.records:
        try:
            record = records.decode(entry.key, entry.value)
        except records.UndecodableError as error:
            dead.append(_dead_letter(batch.assignment, entry, str(error)))
        except records.UnsupportedError as error:
            stop = Stop(entry.offset, f"{error}: upgrade this process")
            break
        else:
            arrivals.append(Arrival(position(epoch, entry.offset), entry.timestamp, entry.offset, record))
        next_offset = entry.offset + 1
    return Intake(batch.assignment, arrivals, dead, next_offset, stop)


def _dead_letter(assignment: Assignment, entry: LogRecord, reason: str) -> Entry:
    """The entry as it was, with where it stood and why it is no record. A replay writes it again, the same."""
    headers = (
        ("origin-topic", assignment.topic.encode()),
        ("origin-partition", str(assignment.partition).encode()),
        ("origin-offset", str(entry.offset).encode()),
        ("reason", reason.encode("utf-8", "replace")[:1000]),
    )
    return Entry(DEAD_LETTERS, entry.key, entry.value, (*entry.headers, *headers))
