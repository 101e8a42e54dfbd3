"""A batch of log entries becomes records with positions. Entries that cannot be read are set aside as dead letters."""

import dataclasses
from collections.abc import Sequence

from chat4all.log.port import Assignment, Batch, Entry, dead_letter
from chat4all.model import records
from chat4all.model.positions import Position, position
from chat4all.telemetry.traces import Headers, carried_by


@dataclasses.dataclass(frozen=True, slots=True)
class PositionedRecord:
    """An arrival is a record and where it stands. `at`: its log time, ms; `trace`: the headers of its trace."""

    position: Position
    at: int
    offset: int
    record: records.AnyRecord
    trace: Headers = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """The partition must not be read past this offset until an operator has looked at it."""

    offset: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Intake:
    """An intake is what one batch holds. `next_offset`: what to commit when all of it is done."""

    assignment: Assignment
    arrivals: Sequence[PositionedRecord]
    dead: Sequence[Entry]
    next_offset: int
    stop: Stop | None = None


def take_in(batch: Batch, epoch: int) -> Intake:
    """Decode a batch. The intake ends before the first record of an unknown kind or newer version; its stop says
    why."""
    arrivals: list[PositionedRecord] = []
    dead: list[Entry] = []
    stop = None
    next_offset = batch.records[0].offset
    for entry in batch.records:
        try:
            record = records.decode(entry.key, entry.value)
        except records.UndecodableError as error:
            dead.append(dead_letter(batch.assignment, entry, str(error)))
        except records.UnsupportedError as error:
            stop = Stop(entry.offset, f"{error}: upgrade this process")
            break
        else:
            place = position(epoch, entry.offset)
            arrivals.append(PositionedRecord(place, entry.timestamp, entry.offset, record, carried_by(entry.headers)))
        next_offset = entry.offset + 1
    return Intake(batch.assignment, arrivals, dead, next_offset, stop)
