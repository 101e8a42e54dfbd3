"""Every statement of the store on Cassandra and of its ledger, by name.

Tables that the router writes take positions as timestamps and nothing else: no time of day, no DELETE, no condition
(invariant 4); tests/unit/test_cassandra_statements.py reads them all.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from chat4all.store.columns import CURSORS, DELIVERIES, HEADS, INDEX, MESSAGES, RECEIPTS, TIMELINE, Table

# A conversation's rows are cut into partitions of so many, so that no partition grows for ever.
BUCKET_ROWS: Final = 5000
PENDING_SECONDS: Final = 7 * 86_400
ANSWERED_SECONDS: Final = 86_400


def _put(table: Table, *more: str) -> str:
    """Return the statement that writes a row of the router's. Its values are in the order: `more`, keys, columns,
    position. A column that is not to be changed is bound as unset."""
    names = [*more, *table.key, *table.columns]
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) USING TIMESTAMP ?"


def _get(table: Table, where: str) -> str:
    return f"SELECT {', '.join((*table.key, *table.columns))} FROM {table.name} WHERE {where}"


def _cursor(column: str) -> str:
    return f"UPDATE {CURSORS.name} USING TIMESTAMP ? SET {column} = ? WHERE conversation_id = ? AND user_id = ?"


_ROWS_BETWEEN: Final = "conversation_id = ? AND bucket = ? AND seq > ? AND seq < ?"

_RELEASE_STATEMENT: Final = {"release": "SELECT release_version FROM system.local"}

STORE: Final[Mapping[str, str]] = {
    "put_message": _put(MESSAGES, "bucket"),
    "put_index": _put(INDEX),
    "put_head": _put(HEADS),
    "put_timeline": _put(TIMELINE),
    "put_receipt": _put(RECEIPTS),
    "put_delivered": _cursor("delivered_seq"),
    "put_read": _cursor("read_seq"),
    **_RELEASE_STATEMENT,
    "head": _get(HEADS, "conversation_id = ?"),
    "index": _get(INDEX, "message_id = ?"),
    "rows": _get(MESSAGES, "conversation_id = ? AND bucket = ? AND seq IN ?"),
    "first_rows": _get(MESSAGES, f"{_ROWS_BETWEEN} ORDER BY seq LIMIT ?"),
    "last_rows": _get(MESSAGES, f"{_ROWS_BETWEEN} ORDER BY seq DESC LIMIT ?"),
    "said": f"SELECT seq, kind, sender_id, deleted_at FROM messages WHERE {_ROWS_BETWEEN} ORDER BY seq LIMIT ?",
    "cursors": _get(CURSORS, "conversation_id = ?"),
    "receipts": (
        "SELECT moved_at FROM receipts WHERE conversation_id = ? AND user_id = ? AND what = ? AND seq >= ? LIMIT ?"
    ),
    "timeline": _get(TIMELINE, "message_id = ?"),
    "answered": "SELECT hash, message_id, until FROM idempotency WHERE sender = ? AND key = ?",
    "put_answered": (
        "INSERT INTO idempotency (sender, key, hash, message_id, until) VALUES (?, ?, ?, ?, ?) "
        f"USING TTL {ANSWERED_SECONDS}"
    ),
}

LEDGER: Final[Mapping[str, str]] = {
    **_RELEASE_STATEMENT,
    "put_delivery": _put(DELIVERIES),
    "deliveries": _get(DELIVERIES, "record_id = ?"),
    "plan": "INSERT INTO plans (record_id, plan) VALUES (?, ?) IF NOT EXISTS",
    "plans": "SELECT plan FROM plans WHERE record_id = ?",
    "attempts": "SELECT n, claimant, lease, result, uncertain FROM attempts WHERE delivery_id = ?",
    "attempt": "SELECT n, claimant, lease, result, uncertain FROM attempts WHERE delivery_id = ? AND n = ?",
    "claim": (
        "INSERT INTO attempts (delivery_id, n, claimant, lease, uncertain) VALUES (?, ?, ?, ?, false) IF NOT EXISTS"
    ),
    "settle": (
        "UPDATE attempts SET result = ? WHERE delivery_id = ? AND n = ? "
        "IF claimant = ? AND uncertain = false AND result = null"
    ),
    "doubt": "UPDATE attempts SET uncertain = true WHERE delivery_id = ? AND n = ? IF claimant = ? AND result = null",
    "put_external": "INSERT INTO external_index (connector, chat, external_id, message) VALUES (?, ?, ?, ?)",
    "put_external_of": "INSERT INTO external_by_message (connector, chat, message_id, external_id) VALUES (?, ?, ?, ?)",
    "external": "SELECT message FROM external_index WHERE connector = ? AND chat = ? AND external_id = ?",
    "external_of": "SELECT external_id FROM external_by_message WHERE connector = ? AND chat = ? AND message_id = ?",
    "put_pending": (
        "INSERT INTO pending_receipts (connector, chat, external_id, state, at, reason) VALUES (?, ?, ?, ?, ?, ?) "
        f"USING TTL {PENDING_SECONDS}"
    ),
    "pending": (
        "SELECT connector, chat, external_id, state, at, reason FROM pending_receipts "
        "WHERE connector = ? AND chat = ? AND external_id = ?"
    ),
    "all_pending": (
        "SELECT connector, chat, external_id, state, at, reason FROM pending_receipts WHERE connector = ? LIMIT ?"
    ),
    "pending_done": ("DELETE FROM pending_receipts WHERE connector = ? AND chat = ? AND external_id = ? AND state = ?"),
    "park": "INSERT INTO parked (connector, partition, destination, position, record) VALUES (?, ?, ?, ?, ?)",
    "parked": (
        "SELECT position, record FROM parked WHERE connector = ? AND partition = ? AND destination = ? "
        "ORDER BY destination, position LIMIT 1"
    ),
    "unpark": "DELETE FROM parked WHERE connector = ? AND partition = ? AND destination = ? AND position = ?",
    "parked_destinations": (
        "SELECT destination FROM parked WHERE connector = ? AND partition = ? "
        "GROUP BY connector, partition, destination"
    ),
}


def values(
    table: Table, key: Iterable[object], given: Mapping[str, object], unset: object, position: int
) -> list[object]:
    """Return the values of a statement made by `_put`. `key`: the values of `more` and of the table's key; `given`: by
    column. A column that is not given is bound as `unset`."""
    return [*key, *(given.get(name, unset) for name in table.columns), position]
