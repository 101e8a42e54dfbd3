"""The store holds these: rows, heads, the index, the timeline."""

import datetime as dt
import json

import msgspec

from chat4all.model.delivery import Cursor
from chat4all.model.positions import Position


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row is one seq of one conversation. Times are milliseconds since 1970, from the log.

    `kind`: message, edit, delete or members. An edit's or delete's row has no content of its own, only `target_seq`.
    A members row's content is the JSON object {"added": [...], "removed": [...]}.
    """

    conversation_id: str
    seq: int
    kind: str
    message_id: str
    sender_id: str
    created_at: int
    position: Position
    content: str = ""
    channels: tuple[str, ...] = ()
    reply_to: str | None = None
    target_seq: int | None = None
    edited_at: int | None = None
    deleted_at: int | None = None

    @property
    def text(self) -> str:
        """This is the content as readers may see it: a deleted message has none, whatever was written to it later."""
        return "" if self.deleted_at is not None else self.content


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change is what an edit (`edited_at`) or a delete (`deleted_at`) does to the row of its target, `seq`."""

    conversation_id: str
    seq: int
    content: str
    position: Position
    edited_at: int | None = None
    deleted_at: int | None = None


class Preview(msgspec.Struct, frozen=True):
    """A preview is the last message of a conversation, shortened. It follows edits and deletes of that message."""

    seq: int
    message_id: str
    sender_id: str
    content: str
    deleted: bool = False


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A head says where a conversation stands: nothing above `last_seq` may be shown."""

    conversation_id: str
    last_seq: int
    position: Position
    last_at: int
    preview: Preview | None = None


class IndexEntry(msgspec.Struct, frozen=True):
    """An index entry says where a record's id was sequenced."""

    message_id: str
    conversation_id: str
    seq: int
    position: Position


class TimelineEntry(msgspec.Struct, frozen=True):
    """A timeline entry is something that happened to a message. `at`: the log time of the record that caused it, ms."""

    message_id: str
    at: int
    what: str
    who: str
    detail: str
    position: Position


class CursorWrite(msgspec.Struct, frozen=True):
    """A cursor write is a receipt to keep: the seqs that it moves (0: not that column), and when (log time, ms)."""

    conversation_id: str
    user_id: str
    cursor: Cursor
    at: int
    position: Position


class ReceiptTimes(msgspec.Struct, frozen=True):
    """A member's cursor first passed a message at these times, in milliseconds since 1970; None: not yet."""

    delivered_at: int | None = None
    read_at: int | None = None


class KeyedAnswer(msgspec.Struct, frozen=True):
    """An Idempotency-Key was first used for this request and message."""

    request_hash: str
    message_id: str


def iso(milliseconds: int) -> str:
    """Return a time as clients see it: RFC 3339 in UTC with milliseconds."""
    moment = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def members_content(added: tuple[str, ...], removed: tuple[str, ...]) -> str:
    """Return the content of a members row, as JSON."""
    return json.dumps({"added": added, "removed": removed}, ensure_ascii=False)
