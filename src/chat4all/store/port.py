"""What the rest of the system may ask of the store. Twins: embedded (SQLite); tests/contract/test_store.py.

Every write of the router names a position, and a column keeps the value with the highest one: late or repeated writes
do no harm, and their order does not matter. Nothing is deleted, nothing is read before it is written.
All methods raise EngineUnavailableError within a bounded time.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chat4all.model.delivery import Cursor
from chat4all.model.rows import (
    Answered,
    Change,
    CursorWrite,
    Head,
    IndexEntry,
    Reached,
    Row,
    TimelineEntry,
)


class Store(Protocol):
    """The store. Keys that are not there are absent from a mapping that is returned."""

    # -- the router's writes, in the order in which it makes them

    async def put_rows(
        self, rows: Sequence[Row], changes: Sequence[Change], entries: Sequence[TimelineEntry] = ()
    ) -> None:
        """Rows with their index entries, what edits and deletes do to the rows of their targets, and what the timelines
        say of all that. A timeline is only read by whoever may read its message."""
        ...

    async def put_heads(self, heads: Sequence[Head]) -> None:
        """Heads. Only after this may a reader see the rows up to them."""
        ...

    async def put_timeline(self, entries: Sequence[TimelineEntry]) -> None:
        """Timeline entries; the same entry again changes nothing."""
        ...

    async def put_cursors(self, writes: Sequence[CursorWrite]) -> None:
        """When cursors moved, then the cursors, each column under its own seq: the larger wins; nought is left alone.

        In that order: a crash between the two leaves the cursor where it was, and the replay writes both again.
        """
        ...

    # -- what the router and the readers ask

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        """The heads of these conversations."""
        ...

    async def index(self, message_ids: Collection[str]) -> dict[str, IndexEntry]:
        """Where these ids were sequenced, be it above the head."""
        ...

    async def rows(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
        """Rows by (conversation, seq), also above the head: for the router, which has just written them."""
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
        """At most `limit` rows, in rising seq, never one above the head.

        With `after_seq` the first ones after it; else the last ones, before `before_seq` if given.
        """
        ...

    async def unread(self, user_id: str, read: Mapping[str, int], *, limit: int) -> dict[str, int]:
        """For each conversation, how many messages of others, not deleted, are above the seq given; `limit` at most."""
        ...

    async def cursors(self, conversation_ids: Collection[str]) -> dict[str, dict[str, Cursor]]:
        """The cursors of every member who has one."""
        ...

    async def reached(self, conversation_id: str, seq: int) -> dict[str, Reached]:
        """When each member's cursor first passed this seq."""
        ...

    async def timeline(self, message_id: str) -> list[TimelineEntry]:
        """What happened to a message, oldest first."""
        ...

    # -- the API's own table

    async def answered(self, sender: str, key: str) -> Answered | None:
        """What this Idempotency-Key was used for within the last 24 hours."""
        ...

    async def put_answered(self, sender: str, key: str, answered: Answered) -> None:
        """Remember it for 24 hours."""
        ...
