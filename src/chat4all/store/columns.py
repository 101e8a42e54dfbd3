"""Tables whose columns each carry the position of their last write, as Cassandra's do, on SQLite.

A write wins a column if its position is higher; at the same position the larger value wins, which is Cassandra's rule
(https://cassandra.apache.org/doc/latest/cassandra/architecture/dynamo.html, "last write wins"). A column that a write
does not name is left alone. A row that only an update touched has no `kind` and is no row yet.
"""

import functools
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

Value = str | int | None


class Table(NamedTuple):
    """A table has key columns, and value columns with their SQL types."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]

    def ddl(self) -> str:
        """Return the SQL that makes the table. Beside each column `c` stands `c_at`, the position at which it was
        written."""
        parts = [f"{name} NOT NULL" for name in self.key]
        parts += [f"{name} {kind}, {name}_at INTEGER NOT NULL DEFAULT -1" for name, kind in self.columns.items()]
        key = ", ".join(self.key)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(parts)}, PRIMARY KEY ({key})) WITHOUT ROWID;"


MESSAGES: Final = Table(
    "messages",
    ("conversation_id", "seq"),
    {
        "kind": "TEXT",
        "message_id": "TEXT",
        "sender_id": "TEXT",
        "content": "TEXT",
        "channels": "TEXT",
        "reply_to": "TEXT",
        "target_seq": "INTEGER",
        "created_at": "INTEGER",
        "edited_at": "INTEGER",
        "deleted_at": "INTEGER",
        "position": "INTEGER",
    },
)
HEADS: Final = Table(
    "heads",
    ("conversation_id",),
    {"last_seq": "INTEGER", "position": "INTEGER", "last_at": "INTEGER", "preview": "TEXT"},
)
INDEX: Final = Table(
    "message_index", ("message_id",), {"conversation_id": "TEXT", "seq": "INTEGER", "position": "INTEGER"}
)
TIMELINE: Final = Table(
    "timeline",
    ("message_id", "at", "id"),
    {"what": "TEXT", "who": "TEXT", "detail": "TEXT", "position": "INTEGER"},
)
CURSORS: Final = Table("cursors", ("conversation_id", "user_id"), {"delivered_seq": "INTEGER", "read_seq": "INTEGER"})
RECEIPTS: Final = Table("receipts", ("conversation_id", "user_id", "what", "seq", "position"), {"moved_at": "INTEGER"})
DELIVERIES: Final = Table(
    "deliveries",
    ("record_id", "recipient", "link", "part", "generation"),
    {
        "connector": "TEXT",
        "destination": "TEXT",
        "parts": "INTEGER",
        "sent_at": "INTEGER",
        "delivered_at": "INTEGER",
        "read_at": "INTEGER",
        "failed_at": "INTEGER",
        "reason": "TEXT",
    },
)

TABLES: Final = (MESSAGES, HEADS, INDEX, TIMELINE, CURSORS, RECEIPTS)


class Write(NamedTuple):
    """A write sets columns of one row, all at the position `at`."""

    key: tuple[Value, ...]
    values: Mapping[str, Value]
    at: int


def put(connection: sqlite3.Connection, table: Table, writes: Iterable[Write]) -> None:
    """Apply the writes. The order of these and any other writes does not matter."""
    for write in writes:
        parameters: list[Value] = [*write.key]
        for value in write.values.values():
            parameters += (value, write.at)
        connection.execute(_upsert(table.name, table.key, tuple(write.values)), parameters)


def select(table: Table, columns: Sequence[str] = ()) -> str:
    """Return `SELECT key columns, value columns FROM table`, to be followed by a WHERE. Without `columns` it takes all
    value columns."""
    return f"SELECT {', '.join((*table.key, *(columns or table.columns)))} FROM {table.name}"


@functools.lru_cache(maxsize=64)
def _upsert(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    names = [*key, *(name for column in columns for name in (column, f"{column}_at"))]
    sets = ", ".join(
        f"{c} = CASE WHEN excluded.{c}_at > {c}_at OR (excluded.{c}_at = {c}_at AND excluded.{c} > {c}) "
        f"THEN excluded.{c} ELSE {c} END, {c}_at = MAX({c}_at, excluded.{c}_at)"
        for c in columns
    )
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}"
    )
