"""Frames go to a client over the WebSocket. docs/websocket.md describes each of them."""

import json
from typing import Any

import msgspec

from chat4all.model.delivery import Cursor
from chat4all.model.rows import Row, iso

Frame = dict[str, Any]

_encoder = msgspec.json.Encoder()


def encode(frame: Frame) -> bytes:
    """Return the frame as JSON in UTF-8."""
    return _encoder.encode(frame)


def addressed(frame: bytes, user: str) -> bytes:
    """Return the encoded frame with `to_user` in it. It is spliced in, so that a frame for thousands is encoded
    once."""
    return b'{"to_user":' + _encoder.encode(user) + b"," + frame[1:]


def of_row(row: Row, target: Row | None) -> Frame:
    """Return the frame of one seq. That of an edit or a delete is filled from its target as it stands now."""
    frame: Frame = {
        "type": row.kind,
        "conversation_id": row.conversation_id,
        "seq": row.seq,
        "sender_id": row.sender_id,
        "timestamp": iso(row.created_at),
    }
    match row.kind:
        case "message":
            frame |= {"message_id": row.message_id, "content": row.text, "file_id": None, "reply_to": row.reply_to}
            frame |= {"edited_at": _time(row.edited_at), "deleted_at": _time(row.deleted_at)}
        case "members":
            frame |= json.loads(row.content)
        case _:
            frame |= {"message_id": target.message_id if target else None, "target_seq": row.target_seq}
            if row.kind == "edit":
                frame["content"] = target.text if target else ""
                frame["deleted_at"] = _time(target.deleted_at) if target else None
    return frame


def receipt(conversation_id: str, user_id: str, cursor: Cursor, at: int) -> Frame:
    """Return the frame that says how far a member now is. The order of such frames does not matter to a client that
    keeps the larger seqs."""
    return {
        "type": "receipt",
        "conversation_id": conversation_id,
        "user_id": user_id,
        "delivered_seq": cursor.delivered_seq,
        "read_seq": cursor.read_seq,
        "timestamp": iso(at),
    }


def error(detail: str, **more: object) -> Frame:
    """Return the frame that says that a client's frame was refused. The connection stays open."""
    return {"type": "error", "detail": detail, **more}


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)
