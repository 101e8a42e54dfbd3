"""From a batch of log entries to records with positions; what is no record is set aside."""

import dataclasses
from collections.abc import Sequence

from chat4all.log.port import Assignment, Batch, Entry, dead_letter
from chat4all.model import records
from chat4all.model.positions import Position, position
from chat4all.telemetry.traces import Headers, carried_by


@dataclasses.dataclass(frozen=True, slots=True)
class Arrival:
    """A record and where it stands. `at`: its log time, ms; `trace`: the headers that say of which it is a part."""

    position: Position
    at: int
    offset: int
    record: records.AnyRecord
    trace: Headers = ()


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
            dead.append(dead_letter(batch.assignment, entry, str(error)))
        except records.UnsupportedError as error:
            stop = Stop(entry.offset, f"{error}: upgrade this process")
            break
        else:
            place = position(epoch, entry.offset)
            arrivals.append(Arrival(place, entry.timestamp, entry.offset, record, carried_by(entry.headers)))
        next_offset = entry.offset + 1
    return Intake(batch.assignment, arrivals, dead, next_offset, stop)
