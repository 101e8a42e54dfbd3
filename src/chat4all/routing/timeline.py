"""What a message's timeline says of what was sequenced."""

from collections.abc import Iterable

from chat4all.model.rows import TimelineEntry
from chat4all.routing.sequencer import Placed

_CHANGED = {"edit": "edited", "delete": "deleted"}


def timeline(one: Placed) -> Iterable[TimelineEntry]:
    """That a message was accepted, or what was done to one."""
    row, detail = one.row, f"seq {one.row.seq}"
    if row.kind == "message":
        yield TimelineEntry(row.message_id, row.created_at, "accepted", row.sender_id, detail, row.position)
    elif row.kind in _CHANGED and one.target is not None:
        what = _CHANGED[row.kind]
        yield TimelineEntry(one.target.message_id, row.created_at, what, row.sender_id, detail, row.position)
