"""What must come of a log, worked out from the log alone and in the plainest way: one pass, no heads, no index."""

import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chat4all.model.delivery import Cursor

_KINDS = ("message", "edit", "delete", "members", "receipt")


@dataclasses.dataclass
class Expected:
    """The end of everything. `rows`: (id, kind, text of a message) by conversation, seq being the place."""

    rows: dict[str, list[tuple[str, str, str | None]]]
    previews: dict[str, str]
    cursors: dict[str, dict[str, Cursor]]
    timelines: dict[str, list[str]]
    dead: set[tuple[bytes, bytes]]

    @property
    def ids(self) -> set[str]:
        return {id_ for rows in self.rows.values() for id_, _, _ in rows}


class Oracle:
    """Reads records as plain JSON: it shares no code with the router."""

    def expect(self, log: Sequence[tuple[int, Any]]) -> Expected:
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        cursors: dict[str, dict[str, Cursor]] = defaultdict(dict)
        timelines: dict[str, list[str]] = defaultdict(list)
        dead: set[tuple[bytes, bytes]] = set()
        known: set[str] = set()
        for _, entry in log:
            record = self._read(entry)
            if record is None:
                dead.add((entry.key, entry.value))
            elif record["kind"] == "receipt":
                mine = cursors[record["conversation_id"]]
                old = mine.get(record["user_id"], Cursor())
                mine[record["user_id"]] = Cursor(
                    max(old.delivered_seq, record["delivered_seq"], record["read_seq"]),
                    max(old.read_seq, record["read_seq"]),
                )
            elif record["id"] not in known:
                known.add(record["id"])
                rows[record["conversation_id"]].append(record)
                self._apply(record, rows[record["conversation_id"]], timelines)
        return Expected(
            rows={
                chat: [(r["id"], r["kind"], r["content"] if r["kind"] == "message" else None) for r in records]
                for chat, records in rows.items()
            },
            previews={
                chat: messages[-1]["content"]
                for chat, records in rows.items()
                if (messages := [r for r in records if r["kind"] == "message"])
            },
            cursors={chat: {who: c for who, c in held.items() if c != Cursor()} for chat, held in cursors.items()},
            timelines=timelines,
            dead=dead,
        )

    def _read(self, entry: Any) -> dict[str, Any] | None:
        try:
            record = json.loads(entry.value)
            good = record["kind"] in ("message", "edit", "delete", "members", "receipt") and isinstance(
                record["v"], int
            )
            good = good and record["conversation_id"].encode() == entry.key and isinstance(record["id"], str)
            good = good and isinstance(record.get("content", ""), str) and record["v"] == 1
            good = good and record.get("delivered_seq", 0) <= 2**53
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return record if good else None

    def _apply(self, record: dict[str, Any], rows: list[dict[str, Any]], timelines: dict[str, list[str]]) -> None:
        if record["kind"] == "message":
            timelines[record["id"]].append("accepted")
        target = next((r for r in rows if r["id"] == record.get("target_id")), None)
        if target is None:
            return
        if record["kind"] == "edit":
            timelines[target["id"]].append("edited")
            if not target.get("gone"):
                target["content"] = record["content"]
        else:
            timelines[target["id"]].append("deleted")
            target["content"] = ""
            target["gone"] = True
