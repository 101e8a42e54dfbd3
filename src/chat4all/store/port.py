"""What the rest of the system may ask of the store. Twins: embedded (SQLite), cassandra; tests/contract/test_store.py
holds for each.

Every write of the router names a position, and a column keeps the value with the highest one: late or repeated writes
do no harm, and their order does not matter. Nothing is deleted, nothing is read before it is written.
All methods raise EngineUnavailableError within a bounded time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chat4all.model.delivery import Cursor
from chat4all.model.rows import (
    Change,
    CursorWrite,
    Head,
    IndexEntry,
    KeyedAnswer,
    ReceiptTimes,
    Row,
    TimelineEntry,
)


class Store(Protocol):
    """The store keeps what the log says of conversations. Keys that it does not know are absent from a mapping that is
    returned."""

    # -- the router's writes, in the order in which it makes them

    async def put_rows(
        self, rows: Sequence[Row], changes: Sequence[Change], entries: Sequence[TimelineEntry] = ()
    ) -> None:
        """Write rows with their index entries, what edits and deletes change in the rows of their targets, and timeline
        entries about it. A timeline is only read by users who may read its message."""
        ...

    async def put_heads(self, heads: Sequence[Head]) -> None:
        """Write heads. Only after this may a reader see the rows up to them."""
        ...

    async def put_timeline(self, entries: Sequence[TimelineEntry]) -> None:
        """Write timeline entries. The same entry again changes nothing."""
        ...

    async def put_cursors(self, writes: Sequence[CursorWrite]) -> None:
        """Write when cursors moved, then the cursors. Each column is written under its own seq, so the larger seq wins;
        0 leaves its column alone.

        The order matters: a crash between the two leaves the cursor where it was, and the replay writes both again.
        """
        ...

    # -- what the router and the readers ask

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        """Return the heads of these conversations, by conversation."""
        ...

    async def index(self, message_ids: Collection[str]) -> dict[str, IndexEntry]:
        """Return where these ids were sequenced, by id, also above the head."""
        ...

    async def rows(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
        """Return rows by (conversation, seq), also above the head: for the router, which has just written them."""
        ...

    async def history(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
        messages_only: bool = False,
    ) -> list[Row]:
        """Return at most `limit` rows in rising seq, never one above the head.

        They are the first ones after `after_seq`; without it the last ones, or the last before `before_seq`.
        """
        ...

    async def unread(self, user_id: str, read: Mapping[str, int], *, limit: int) -> dict[str, int]:
        """Return for each conversation in `read` how many messages of others, not deleted, are above the seq given
        there, counted up to `limit`."""
        ...

    async def cursors(self, conversation_ids: Collection[str]) -> dict[str, dict[str, Cursor]]:
        """Return the cursors of each conversation, by user. A user without a cursor is absent."""
        ...

    async def reached(self, conversation_id: str, seq: int) -> dict[str, ReceiptTimes]:
        """Return when each user's cursor first passed this seq, by user."""
        ...

    async def timeline(self, message_id: str) -> list[TimelineEntry]:
        """Return the timeline of a message, the oldest entry first."""
        ...

    # -- the API's own table

    async def answered(self, sender: str, key: str) -> KeyedAnswer | None:
        """Return what this Idempotency-Key was used for within the last 24 hours, or None."""
        ...

    async def put_answered(self, sender: str, key: str, answered: KeyedAnswer) -> None:
        """Remember for 24 hours what this Idempotency-Key was used for."""
        ...
