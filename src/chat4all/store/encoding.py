"""Rows, heads, deliveries and attempts are turned into columns and back, the same for every twin of the store."""

import json
from typing import Any

import msgspec

from chat4all.model.delivery import State
from chat4all.model.ids import effect_id
from chat4all.model.outbound import Attempt, Delivery, DeliveryKey, DeliveryWrite, Pending, Result
from chat4all.model.positions import Position
from chat4all.model.rows import Change, Head, Preview, Row, TimelineEntry
from chat4all.store.columns import DELIVERIES, MESSAGES, Value


def row_values(row: Row) -> dict[str, Value]:
    """Return the columns of a new row. A field that is None is left out: an edit may have written its column."""
    values: dict[str, Value] = {
        "kind": row.kind,
        "message_id": row.message_id,
        "sender_id": row.sender_id,
        "content": row.content,
        "channels": json.dumps(row.channels),
        "reply_to": row.reply_to,
        "target_seq": row.target_seq,
        "created_at": row.created_at,
        "position": row.position,
    }
    return {name: value for name, value in values.items() if value is not None}


def change_values(change: Change) -> dict[str, Value]:
    """Return the columns that an edit or a delete sets."""
    values: dict[str, Value] = {"content": change.content}
    if change.edited_at is not None:
        values["edited_at"] = change.edited_at
    if change.deleted_at is not None:
        values["deleted_at"] = change.deleted_at
    return values


def head_values(head: Head) -> dict[str, Value]:
    """Return the columns of a head. One without a preview leaves that column alone."""
    values: dict[str, Value] = {"last_seq": head.last_seq, "position": head.position, "last_at": head.last_at}
    if head.preview:
        values["preview"] = msgspec.json.encode(head.preview).decode()
    return values


def head_of(conversation_id: str, last_seq: int, position: int, last_at: int, preview: str | None) -> Head:
    """Return a head, made from its columns in the table's order."""
    return Head(
        conversation_id=conversation_id,
        last_seq=last_seq,
        position=Position(position),
        last_at=last_at,
        preview=msgspec.json.decode(preview, type=Preview) if preview else None,
    )


def row_of(conversation_id: str, seq: int, *values: object) -> Row:
    """Return a row, made from its columns in the table's order."""
    fields = dict(zip(MESSAGES.columns, values, strict=True))
    fields["channels"] = tuple(json.loads(str(fields["channels"])))
    return Row(conversation_id=conversation_id, seq=seq, **fields)  # type: ignore[arg-type] # the schema has the types


def timeline_id(entry: TimelineEntry) -> str:
    """Return the id of a timeline entry. The same entry always has the same id, so that it is stored once."""
    return effect_id(entry.position, f"{entry.what} {entry.who} {entry.detail}")


def delivery_place(key: DeliveryKey) -> tuple[Value, ...]:
    """Return the key columns of a delivery, in the table's order."""
    return key.record_id, key.recipient, key.link, key.part, key.generation


def delivery_values(write: DeliveryWrite) -> dict[str, Value]:
    """Return the columns that a write sets: those that are not None."""
    values = {name: getattr(write, name) for name in DELIVERIES.columns}
    return {name: value for name, value in values.items() if value is not None}


def delivery_of(record_id: str, recipient: str, link: str, part: int, generation: int, *values: Any) -> Delivery:
    """Return a delivery, made from its columns in the table's order."""
    key = DeliveryKey(record_id=record_id, recipient=recipient, link=link, part=part, generation=generation)
    named = dict(zip(DELIVERIES.columns, values, strict=True))
    return Delivery(key=key, **{name: value for name, value in named.items() if value is not None})


def pending_of(*columns: Any) -> Pending:
    """Return a pending receipt, made from its columns: connector, chat, external_id, state, at, reason."""
    named = dict(zip(("connector", "chat", "external_id", "state", "at", "reason"), columns, strict=True))
    return Pending(**named | {"state": State(named["state"])})


def attempt_of(n: int, token: str, lease: int, result: str | None, uncertain: object) -> Attempt:
    """Return an attempt, made from its columns in the table's order."""
    decoded = msgspec.json.decode(result, type=Result) if result else None
    return Attempt(n=n, token=token, lease=lease, result=decoded, uncertain=bool(uncertain))
