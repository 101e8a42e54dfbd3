"""The ledger on SQLite, in a file of its own."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from chat4all.drivers.sqlite import Database
from chat4all.model.engines import Description
from chat4all.model.outbound import (
    Attempt,
    Delivery,
    DeliveryWrite,
    ExternalMessage,
    Pending,
    Plan,
    Result,
)
from chat4all.store import columns, encoding
from chat4all.store.columns import DELIVERIES, Write

_SCHEMA: Final = (
    DELIVERIES.ddl()
    + """
CREATE TABLE IF NOT EXISTS plans (record_id TEXT PRIMARY KEY, plan TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  delivery_id TEXT, n INTEGER, token TEXT NOT NULL, lease INTEGER NOT NULL, result TEXT, uncertain INTEGER NOT NULL,
  PRIMARY KEY (delivery_id, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS external_index (
  connector TEXT, chat TEXT, external_id TEXT, message TEXT NOT NULL, PRIMARY KEY (connector, chat, external_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending_receipts (
  connector TEXT, chat TEXT, external_id TEXT, state TEXT, at INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY (connector, chat, external_id, state)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
  connector TEXT, partition INTEGER, destination BLOB, position INTEGER, record BLOB NOT NULL,
  PRIMARY KEY (connector, partition, destination, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS external_by_message (
  connector TEXT, chat TEXT, message_id TEXT, external_id TEXT NOT NULL, PRIMARY KEY (connector, chat, message_id)
) WITHOUT ROWID;
"""
)

_encode = msgspec.json.Encoder().encode


class EmbeddedLedger:
    """The ledger keeps its tables in one file. Implements `Ledger`."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self._database = Database(path, _SCHEMA, engine="store", synchronous=synchronous)

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

    async def plan(self, plans: Sequence[Plan]) -> dict[str, Plan]:
        def work(connection: sqlite3.Connection) -> dict[str, Plan]:
            rows = [(one.record_id, _encode(one).decode()) for one in plans]
            connection.executemany("INSERT INTO plans VALUES (?, ?) ON CONFLICT DO NOTHING", rows)
            return _plans(connection, [one.record_id for one in plans])

        return await self._database.write(work) if plans else {}

    async def plans(self, record_ids: Collection[str]) -> dict[str, Plan]:
        return await self._database.read(lambda c: _plans(c, record_ids)) if record_ids else {}

    async def put_deliveries(self, writes: Sequence[DeliveryWrite]) -> None:
        rows = [
            Write(encoding.delivery_place(one.key), encoding.delivery_values(one), self.stamp(one.position))
            for one in writes
        ]
        if rows:
            await self._database.write(lambda c: columns.put(c, DELIVERIES, rows))

    def stamp(self, position: int) -> int:
        """Return the timestamp of a router's write: the record's position, never the time of day."""
        return position

    async def deliveries(self, record_ids: Collection[str]) -> dict[str, list[Delivery]]:
        query = (
            columns.select(DELIVERIES)
            + " WHERE record_id = ? AND connector IS NOT NULL ORDER BY recipient, link, generation, part"
        )

        def work(connection: sqlite3.Connection) -> dict[str, list[Delivery]]:
            answers = {one: connection.execute(query, (one,)).fetchall() for one in set(record_ids)}
            return {one: [encoding.delivery_of(*row) for row in rows] for one, rows in answers.items() if rows}

        return await self._database.read(work) if record_ids else {}

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        query = "SELECT n, token, lease, result, uncertain FROM attempts WHERE delivery_id = ? ORDER BY n"
        rows = await self._database.read(lambda c: c.execute(query, (delivery_id,)).fetchall())
        return [encoding.attempt_of(*row) for row in rows]

    async def claim(self, delivery_id: str, n: int, *, token: str, lease: int) -> bool:
        query = "INSERT INTO attempts VALUES (?, ?, ?, ?, NULL, 0) ON CONFLICT DO NOTHING"
        return await self._changed(query, (delivery_id, n, token, lease))

    async def settle(self, delivery_id: str, n: int, *, token: str, result: Result) -> bool:
        query = (
            "UPDATE attempts SET result = :result WHERE delivery_id = :id AND n = :n AND token = :token"
            " AND NOT uncertain AND (result IS NULL OR result = :result)"
        )
        values = {"result": _encode(result).decode(), "id": delivery_id, "n": n, "token": token}
        return await self._changed(query, values)

    async def doubt(self, delivery_id: str, n: int, *, token: str, now: int) -> bool:
        query = (
            "UPDATE attempts SET uncertain = 1 WHERE delivery_id = :id AND n = :n AND result IS NULL"
            " AND (uncertain OR token = :token OR lease <= :now)"
        )
        return await self._changed(query, {"id": delivery_id, "n": n, "token": token, "now": now})

    async def put_external(self, messages: Sequence[ExternalMessage]) -> None:
        rows = [(one.connector, one.chat, one.external_id, _encode(one).decode()) for one in messages]
        firsts = [one for one in messages if one.delivery is None or one.delivery.part == 0]
        reverse = [(one.connector, one.chat, one.message_id, one.external_id) for one in firsts]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT INTO external_index VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
            connection.executemany("INSERT OR REPLACE INTO external_by_message VALUES (?, ?, ?, ?)", reverse)

        if rows:
            await self._database.write(work)

    async def put_pending(self, receipts: Sequence[Pending]) -> None:
        rows = [(*_pending_key(one), one.at, one.reason) for one in receipts]
        query = "INSERT INTO pending_receipts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        if rows:
            await self._database.write(lambda c: c.executemany(query, rows))

    async def pending(self, connector: str, chat: str, external_id: str) -> list[Pending]:
        query = "SELECT * FROM pending_receipts WHERE connector = ? AND chat = ? AND external_id = ? ORDER BY at"
        values = (connector, chat, external_id)
        return [
            encoding.pending_of(*row)
            for row in await self._database.read(lambda c: c.execute(query, values).fetchall())
        ]

    async def pending_known(self, connector: str, *, limit: int) -> list[tuple[Pending, ExternalMessage]]:
        query = (
            "SELECT p.*, e.message FROM pending_receipts p JOIN external_index e ON e.connector = p.connector "
            "AND e.chat = p.chat AND e.external_id = p.external_id WHERE p.connector = ? ORDER BY p.at LIMIT ?"
        )
        rows = await self._database.read(lambda c: c.execute(query, (connector, limit)).fetchall())
        return [
            (encoding.pending_of(*row), msgspec.json.decode(message, type=ExternalMessage)) for *row, message in rows
        ]

    async def pending_done(self, receipts: Sequence[Pending]) -> None:
        rows = [_pending_key(one) for one in receipts]
        query = "DELETE FROM pending_receipts WHERE connector = ? AND chat = ? AND external_id = ? AND state = ?"
        if rows:
            await self._database.write(lambda c: c.executemany(query, rows))

    async def pending_trim(self, connector: str, *, before: int) -> None:
        query = "DELETE FROM pending_receipts WHERE connector = ? AND at < ?"
        await self._database.write(lambda c: c.execute(query, (connector, before)))

    async def park(self, connector: str, partition: int, destination: bytes, rows: Sequence[tuple[int, bytes]]) -> None:
        query = "INSERT INTO parked VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        values = [(connector, partition, destination, *row) for row in rows]
        if values:
            await self._database.write(lambda c: c.executemany(query, values))

    async def parked(self, connector: str, partition: int, destination: bytes) -> tuple[int, bytes] | None:
        query = (
            "SELECT position, record FROM parked WHERE connector = ? AND partition = ? AND destination = ? "
            "ORDER BY position LIMIT 1"
        )
        place = (connector, partition, destination)
        row: tuple[int, bytes] | None = await self._database.read(lambda c: c.execute(query, place).fetchone())
        return row

    async def unpark(self, connector: str, partition: int, destination: bytes, offset: int) -> None:
        query = "DELETE FROM parked WHERE connector = ? AND partition = ? AND destination = ? AND position = ?"
        await self._database.write(lambda c: c.execute(query, (connector, partition, destination, offset)))

    async def parked_destinations(self, connector: str, partition: int) -> list[bytes]:
        query = "SELECT DISTINCT destination FROM parked WHERE connector = ? AND partition = ?"
        rows = await self._database.read(lambda c: c.execute(query, (connector, partition)).fetchall())
        return [row[0] for row in rows]

    async def external_of(self, connector: str, chat: str, message_id: str) -> str | None:
        query = "SELECT external_id FROM external_by_message WHERE connector = ? AND chat = ? AND message_id = ?"
        values = (connector, chat, message_id)
        row = await self._database.read(lambda c: c.execute(query, values).fetchone())
        return str(row[0]) if row else None

    async def external(self, connector: str, chat: str, external_ids: Collection[str]) -> dict[str, ExternalMessage]:
        query = "SELECT message FROM external_index WHERE connector = ? AND chat = ? AND external_id = ?"

        def work(connection: sqlite3.Connection) -> list[ExternalMessage]:
            rows = (connection.execute(query, (connector, chat, one)).fetchone() for one in set(external_ids))
            return [msgspec.json.decode(row[0], type=ExternalMessage) for row in rows if row]

        messages = await self._database.read(work) if external_ids else []
        return {one.external_id: one for one in messages}

    async def _changed(self, query: str, values: Any) -> bool:
        """Run the statement, and return whether it changed its row."""
        work: Callable[[sqlite3.Connection], int] = lambda c: c.execute(query, values).rowcount  # noqa: E731
        return await self._database.write(work) == 1


def _plans(connection: sqlite3.Connection, record_ids: Collection[str]) -> dict[str, Plan]:
    query = "SELECT plan FROM plans WHERE record_id = ?"
    rows = {one: connection.execute(query, (one,)).fetchone() for one in set(record_ids)}
    return {one: msgspec.json.decode(row[0], type=Plan) for one, row in rows.items() if row}


def _pending_key(receipt: Pending) -> tuple[str, str, str, str]:
    return receipt.connector, receipt.chat, receipt.external_id, receipt.state.value
