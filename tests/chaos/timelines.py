"""Whether what the timelines say, the seqs and the log agree."""

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
_ORDER = ("accepted", "sent", "delivered", "read")
_CHANGES = {"edit": "edited", "delete": "deleted"}


def disagreements(rows: Sequence[Row], timelines: Mapping[str, Sequence[Row]]) -> list[str]:
    """A sentence for each. `rows`: every row of a conversation; `timelines`: by message."""
    found = []
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        found.append(f"the seqs are not dense: {[row['seq'] for row in rows]}")
    for row in (one for one in rows if one["type"] == "message"):
        changes = [one for one in rows if one["type"] in _CHANGES and one["message_id"] == row["message_id"]]
        found += [f"seq {row['seq']}: {fault}" for fault in _of_one(row, changes, timelines[row["message_id"]])]
    return found


def _of_one(row: Row, changes: Sequence[Row], events: Sequence[Row]) -> list[str]:
    whats = [one["what"] for one in events]
    accepted = [one["detail"] for one in events if one["what"] == "accepted"]
    found = []
    if accepted != [f"seq {row['seq']}"] or whats[0] != "accepted":
        found.append(f"accepted once and first, as {row['seq']}: {events}")
    told = [(one["what"], one["detail"]) for one in events if one["what"] in _CHANGES.values()]
    if told != [(_CHANGES[one["type"]], f"seq {one['seq']}") for one in changes]:
        found.append(f"was changed by {changes}, and the timeline says {told}")
    stages = [_ORDER.index(what) for what in dict.fromkeys(whats) if what in _ORDER]
    if stages != sorted(stages):
        found.append(f"stages out of order: {whats}")
    if [one["at"] for one in events] != sorted(one["at"] for one in events):
        found.append(f"times go back: {events}")
    return found


def order_in_log(data: Path, chat: str) -> list[str]:
    """The ids of a conversation's messages as they stand in the log of a server that is not running, each once."""
    query = "SELECT value FROM records WHERE topic = 'chat4all.conversations' AND key = ? ORDER BY partition, offset"
    with contextlib.closing(sqlite3.connect(data / "log.db")) as connection:
        values = [json.loads(value) for (value,) in connection.execute(query, (chat.encode(),))]
    return list(dict.fromkeys(one["id"] for one in values if one["kind"] == "message"))
