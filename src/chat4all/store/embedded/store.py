"""The store on SQLite: the distributed store's rule of columns with positions, in one file."""

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from chat4all.drivers.sqlite import Database
from chat4all.model.delivery import Cursor
from chat4all.model.engines import Description
from chat4all.model.rows import Change, CursorWrite, Head, IndexEntry, KeyedAnswer, ReceiptTimes, Row, TimelineEntry
from chat4all.store import columns, encoding
from chat4all.store.columns import CURSORS, HEADS, INDEX, MESSAGES, RECEIPTS, TIMELINE, Write

_SCHEMA: Final = (
    "".join(table.ddl() for table in columns.TABLES)
    + """
CREATE TABLE IF NOT EXISTS idempotency (
  sender TEXT, key TEXT, hash TEXT NOT NULL, message_id TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (sender, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idempotency_until ON idempotency (until);
"""
)
_ANSWERED_SECONDS: Final = 24 * 3600
_MAX_QUERY_KEYS: Final = 500  # in one IN (...)


class EmbeddedStore:
    """The store keeps its tables in one file. Implements `Store`.

    `clock`: seconds since 1970, only for how long Idempotency-Keys are remembered.
    """

    def __init__(self, path: Path, *, synchronous: str = "FULL", clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path, _SCHEMA, engine="store", synchronous=synchronous)
        self._clock = clock

    async def open(self) -> None:
        """Open or make the file. Raises EngineUnavailableError."""
        self._database.open()

    async def migrate(self) -> str:
        """Do nothing: `open` makes the tables."""
        return "up to date"

    async def check(self) -> None:
        self._database.check_open()

    async def describe(self) -> Description:
        return Description(f"SQLite {sqlite3.sqlite_version}, {self._database.path}")

    async def close(self) -> None:
        """Finish the writes that are under way, then close the file."""
        self._database.close()

    def stamp(self, position: int) -> int:
        """Return the timestamp of a router's write: the record's position, never the time of day."""
        return position

    async def put_rows(
        self, rows: Sequence[Row], changes: Sequence[Change], entries: Sequence[TimelineEntry] = ()
    ) -> None:
        messages = [
            Write((row.conversation_id, row.seq), encoding.row_values(row), self.stamp(row.position)) for row in rows
        ]
        messages += [
            Write((c.conversation_id, c.seq), encoding.change_values(c), self.stamp(c.position)) for c in changes
        ]
        index = [
            Write(
                (row.message_id,),
                {"conversation_id": row.conversation_id, "seq": row.seq, "position": row.position},
                self.stamp(row.position),
            )
            for row in rows
        ]
        await self._put((MESSAGES, messages), (INDEX, index), (TIMELINE, self._timeline_writes(entries)))

    async def put_heads(self, heads: Sequence[Head]) -> None:
        writes = [
            Write(
                (head.conversation_id,),
                encoding.head_values(head),
                self.stamp(head.position),
            )
            for head in heads
        ]
        await self._put((HEADS, writes))

    async def put_timeline(self, entries: Sequence[TimelineEntry]) -> None:
        await self._put((TIMELINE, self._timeline_writes(entries)))

    async def put_cursors(self, writes: Sequence[CursorWrite]) -> None:
        moved, cursors = [], []
        for write in writes:
            for what, seq in (("delivered", write.cursor.delivered_seq), ("read", write.cursor.read_seq)):
                if seq:
                    key = (write.conversation_id, write.user_id)
                    at = self.stamp(write.position)
                    moved.append(Write((*key, what, seq, write.position), {"moved_at": write.at}, at))
                    cursors.append(Write(key, {f"{what}_seq": seq}, seq))
        await self._put((RECEIPTS, moved), (CURSORS, cursors))

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        rows = await self._in_chunks(columns.select(HEADS) + " WHERE conversation_id IN ({})", conversation_ids)
        return {values[0]: encoding.head_of(*values) for values in rows}

    async def index(self, message_ids: Collection[str]) -> dict[str, IndexEntry]:
        rows = await self._in_chunks(columns.select(INDEX) + " WHERE message_id IN ({})", message_ids)
        return {values[0]: IndexEntry(*values) for values in rows}

    async def rows(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
        query = columns.select(MESSAGES) + " WHERE conversation_id = ? AND seq = ? AND kind IS NOT NULL"

        def work(connection: sqlite3.Connection) -> list[Row]:
            rows = (connection.execute(query, key).fetchone() for key in set(keys))
            return [encoding.row_of(*values) for values in rows if values]

        return {(row.conversation_id, row.seq): row for row in (await self._database.read(work) if keys else ())}

    async def history(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
        messages_only: bool = False,
    ) -> list[Row]:
        rising = after_seq is not None
        low = 0 if after_seq is None else after_seq
        high = 1 << 62 if before_seq is None else before_seq
        query = (
            columns.select(MESSAGES)
            + " WHERE conversation_id = :id AND seq > :low AND seq < :high AND kind IS NOT NULL"
            " AND seq <= (SELECT last_seq FROM heads WHERE conversation_id = :id)"
            + (" AND kind = 'message'" if messages_only else "")
            + f" ORDER BY seq {'' if rising else 'DESC'} LIMIT :limit"
        )
        parameters = {"id": conversation_id, "low": low, "high": high, "limit": limit}
        rows = await self._database.read(lambda connection: connection.execute(query, parameters).fetchall())
        return [encoding.row_of(*values) for values in (rows if rising else reversed(rows))]

    async def unread(self, user_id: str, read: Mapping[str, int], *, limit: int) -> dict[str, int]:
        query = (
            "SELECT COUNT(*) FROM (SELECT 1 FROM messages"
            " WHERE conversation_id = :id AND seq > :read AND kind = 'message' AND sender_id <> :user"
            " AND deleted_at IS NULL AND seq <= (SELECT last_seq FROM heads WHERE conversation_id = :id) LIMIT :limit)"
        )

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            return {
                id_: connection.execute(query, {"id": id_, "read": seq, "user": user_id, "limit": limit}).fetchone()[0]
                for id_, seq in read.items()
            }

        return await self._database.read(work)

    async def cursors(self, conversation_ids: Collection[str]) -> dict[str, dict[str, Cursor]]:
        rows = await self._in_chunks(columns.select(CURSORS) + " WHERE conversation_id IN ({})", conversation_ids)
        cursors: dict[str, dict[str, Cursor]] = {}
        for conversation_id, user_id, delivered, read in rows:
            cursors.setdefault(conversation_id, {})[user_id] = Cursor().advanced(delivered or 0, read or 0)
        return cursors

    async def reached(self, conversation_id: str, seq: int) -> dict[str, ReceiptTimes]:
        query = (
            "SELECT user_id, what, MIN(moved_at) FROM receipts WHERE conversation_id = :id AND seq >= :seq"
            " GROUP BY user_id, what"
        )
        parameters = {"id": conversation_id, "seq": seq}
        rows = await self._database.read(lambda connection: connection.execute(query, parameters).fetchall())
        reached: dict[str, ReceiptTimes] = {}
        for user_id, what, at in rows:
            reached[user_id] = msgspec.structs.replace(reached.get(user_id, ReceiptTimes()), **{f"{what}_at": at})
        return reached

    async def timeline(self, message_id: str) -> list[TimelineEntry]:
        query = columns.select(TIMELINE) + " WHERE message_id = ? ORDER BY at, position"
        rows = await self._database.read(lambda connection: connection.execute(query, (message_id,)).fetchall())
        return [TimelineEntry(message_id, at, what, who, detail, pos) for _, at, _, what, who, detail, pos in rows]

    async def answered(self, sender: str, key: str) -> KeyedAnswer | None:
        query = "SELECT hash, message_id FROM idempotency WHERE sender = ? AND key = ? AND until > ?"
        parameters = (sender, key, self._clock())
        row = await self._database.read(lambda connection: connection.execute(query, parameters).fetchone())
        return KeyedAnswer(*row) if row else None

    async def put_answered(self, sender: str, key: str, answered: KeyedAnswer) -> None:
        now = int(self._clock())

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM idempotency WHERE until <= ?", (now,))
            values = (sender, key, answered.request_hash, answered.message_id, now + _ANSWERED_SECONDS)
            connection.execute("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, ?)", values)

        await self._database.write(work)

    def _timeline_writes(self, entries: Sequence[TimelineEntry]) -> list[Write]:
        return [
            Write(
                (entry.message_id, entry.at, encoding.timeline_id(entry)),
                {"what": entry.what, "who": entry.who, "detail": entry.detail, "position": entry.position},
                self.stamp(entry.position),
            )
            for entry in entries
        ]

    async def _put(self, *tables: tuple[columns.Table, list[Write]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for table, writes in tables:
                columns.put(connection, table, writes)

        if any(writes for _, writes in tables):
            await self._database.write(work)

    async def _in_chunks(self, query: str, keys: Collection[str]) -> list[tuple[Any, ...]]:
        """Return the rows of a query that contains `IN ({})`. It is run once for each chunk of the keys."""
        wanted = sorted(set(keys))

        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            rows: list[tuple[Any, ...]] = []
            for start in range(0, len(wanted), _MAX_QUERY_KEYS):
                chunk = wanted[start : start + _MAX_QUERY_KEYS]
                rows += connection.execute(query.format(", ".join("?" * len(chunk))), chunk).fetchall()
            return rows

        return await self._database.read(work) if wanted else []
