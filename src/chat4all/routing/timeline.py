"""A message's timeline says this of records that were sequenced."""

from collections.abc import Iterable

from chat4all.model.rows import TimelineEntry
from chat4all.routing.sequencer import SequencedRow

_EVENT_OF_KIND = {"edit": "edited", "delete": "deleted"}


def timeline(one: SequencedRow) -> Iterable[TimelineEntry]:
    """Yield the entry which says that a message was accepted, edited or deleted."""
    row, detail = one.row, f"seq {one.row.seq}"
    if row.kind == "message":
        yield TimelineEntry(row.message_id, row.created_at, "accepted", row.sender_id, detail, row.position)
    elif row.kind in _EVENT_OF_KIND and one.target is not None:
        what = _EVENT_OF_KIND[row.kind]
        yield TimelineEntry(one.target.message_id, row.created_at, what, row.sender_id, detail, row.position)
