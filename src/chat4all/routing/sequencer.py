"""The sequencer is a pure function from the log's order, the heads and the index to rows with seqs.

Invariants 2, 3 and 5 of the design are decided here and nowhere else (docs/adr/0001-the-log-is-the-sequencer.md).
"""

import dataclasses
from collections.abc import Mapping, Sequence

import msgspec

from chat4all.model import records
from chat4all.model.rows import Change, Head, IndexEntry, Preview, Row, members_content
from chat4all.routing.intake import PositionedRecord, Stop

_MAX_PREVIEW_CHARACTERS = 200


@dataclasses.dataclass(slots=True)
class SequencedRow:
    """A placed record has its seq, from this run or from an earlier one (`replay`). `target`: the message that it edits
    or deletes."""

    arrival: PositionedRecord
    row: Row
    replay: bool
    target: IndexEntry | None = None


@dataclasses.dataclass(slots=True)
class SequencedBatch:
    """The sequenced records of one partition are to be written, and told to others. `heads`: only those that moved;
    `notes`: records that take no seq; `repeats`: how many were skipped."""

    placed: list[SequencedRow] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    notes: list[PositionedRecord] = dataclasses.field(default_factory=list)
    heads: dict[str, Head] = dataclasses.field(default_factory=dict)
    repeats: int = 0
    stop: Stop | None = None


def ids_to_look_up(arrivals: Sequence[PositionedRecord], heads: Mapping[str, Head]) -> set[str]:
    """Return the ids that have to be looked up in the index: every target, and every record but those that are new by
    one produce call."""
    wanted = set()
    for arrival in arrivals:
        record = arrival.record
        if not isinstance(record, records.SequencedRecord):
            continue
        if record.keyed or _behind(arrival, heads.get(record.conversation_id)):
            wanted.add(record.id)
        if isinstance(record, records.Edit | records.Delete):
            wanted.add(record.target_id)
    return wanted


def sequence(
    arrivals: Sequence[PositionedRecord], heads: Mapping[str, Head], index: Mapping[str, IndexEntry]
) -> SequencedBatch:
    """Give each record of one partition its seq, or recognise it.

    Beyond its head a record gets the next seq. At or before the head it gets the seq that the index knows, and every
    step runs again with the same values. An id that the index knows at another position is a repeat, and is skipped. A
    record before the head whose id the index does not know means that the log went backwards: the partition stops.
    """
    result = SequencedBatch()
    known = dict(index)
    for arrival in arrivals:
        if not isinstance(arrival.record, records.SequencedRecord):
            result.notes.append(arrival)
            continue
        record = arrival.record
        head = result.heads.get(record.conversation_id) or heads.get(record.conversation_id)
        entry = known.get(record.id)
        if entry is not None and entry.position != arrival.position:
            result.repeats += 1
            continue
        replay = _behind(arrival, head)
        fault = _contradiction(arrival, head, entry)
        if fault:
            result.stop = Stop(arrival.offset, fault)
            break
        seq = entry.seq if entry else _next(head)
        known[record.id] = IndexEntry(record.id, record.conversation_id, seq, arrival.position)
        placed = _place(arrival, record, seq, known, replay=replay)
        result.placed.append(placed)
        if change := _change(placed):
            result.changes.append(change)
        if not replay:
            result.heads[record.conversation_id] = _moved(head, placed)
    return result


def _behind(arrival: PositionedRecord, head: Head | None) -> bool:
    return head is not None and arrival.position <= head.position


def _next(head: Head | None) -> int:
    return head.last_seq + 1 if head else 1


def _contradiction(arrival: PositionedRecord, head: Head | None, entry: IndexEntry | None) -> str | None:
    if _behind(arrival, head):
        if entry is None:
            return "the log went backwards: a record before the head is not in the index (topic made again, restored?)"
    elif entry is not None and entry.seq != _next(head):
        return f"the index has seq {entry.seq} where {_next(head)} is next: the store lost or gained rows"
    return None


def _place(
    arrival: PositionedRecord, record: records.AnySequenced, seq: int, known: Mapping[str, IndexEntry], *, replay: bool
) -> SequencedRow:
    target: IndexEntry | None = None
    content, reply_to = "", None
    channels: tuple[str, ...] = ()
    match record:
        case records.Message():
            content, channels, reply_to = record.content, record.channels, record.reply_to
        case records.Edit() | records.Delete():
            target = known.get(record.target_id)
            if target and target.conversation_id != record.conversation_id:
                target = None  # another conversation's message is out of this one's reach
        case records.Members():
            content = members_content(record.added, record.removed)
    row = Row(
        conversation_id=record.conversation_id,
        seq=seq,
        kind=str(record.__struct_config__.tag),
        message_id=record.id,
        sender_id=record.sender_id,
        created_at=arrival.at,
        position=arrival.position,
        content=content,
        channels=channels,
        reply_to=reply_to,
        target_seq=target.seq if target else None,
    )
    return SequencedRow(arrival, row, replay, target)


def _change(placed: SequencedRow) -> Change | None:
    """Return what an edit or a delete changes in its target's row, or None for any other record."""
    if placed.target is None:
        return None
    record, arrival = placed.arrival.record, placed.arrival
    edit = isinstance(record, records.Edit)
    return Change(
        conversation_id=record.conversation_id,
        seq=placed.target.seq,
        content=record.content if isinstance(record, records.Edit) else "",
        position=arrival.position,
        edited_at=arrival.at if edit else None,
        deleted_at=None if edit else arrival.at,
    )


def _moved(head: Head | None, placed: SequencedRow) -> Head:
    row = placed.row
    return Head(
        conversation_id=row.conversation_id,
        last_seq=row.seq,
        position=row.position,
        last_at=row.created_at,
        preview=_preview(head.preview if head else None, placed),
    )


def _preview(preview: Preview | None, placed: SequencedRow) -> Preview | None:
    row, record = placed.row, placed.arrival.record
    if isinstance(record, records.Message):
        return Preview(row.seq, row.message_id, row.sender_id, record.content[:_MAX_PREVIEW_CHARACTERS])
    if preview is None or preview.deleted or row.target_seq != preview.seq:
        return preview
    if isinstance(record, records.Edit):
        return msgspec.structs.replace(preview, content=record.content[:_MAX_PREVIEW_CHARACTERS])
    return msgspec.structs.replace(preview, content="", deleted=True)
