"""The ledger on Cassandra. Conditions are decided by lightweight transactions, on plans and attempts alone."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from cassandra.query import UNSET_VALUE

from chat4all.model.engines import Description
from chat4all.model.outbound import Attempt, Delivery, DeliveryWrite, ExternalMessage, Pending, Plan, Result
from chat4all.store import encoding
from chat4all.store.cassandra import schema
from chat4all.store.cassandra.session import CassandraSession
from chat4all.store.cassandra.statements import LEDGER, values
from chat4all.store.columns import DELIVERIES
from chat4all.store.settings import CassandraSettings

_MAX_PENDING_ROWS: Final = 1000  # of one query

_encode = msgspec.json.Encoder().encode


class CassandraLedger:
    """The ledger keeps its tables in a keyspace of Cassandra. Implements `Ledger`."""

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings
        self._session = CassandraSession(settings, {**LEDGER, **schema.STATEMENTS}, purpose="ledger")

    async def open(self) -> None:
        """Do nothing: the ledger connects when it is first used."""

    async def migrate(self) -> str:
        applied = await schema.migrated(self._settings)
        return ", ".join(applied) or "up to date"

    async def check(self) -> None:
        """Raise EngineUnavailableError also where a table is missing."""
        await schema.check("ledger", self._session)

    async def describe(self) -> Description:
        return Description(f"Cassandra {await self._session.release()}")

    async def close(self) -> None:
        """Disconnect from the nodes of the cluster."""
        await self._session.close()

    async def plan(self, plans: Sequence[Plan]) -> dict[str, Plan]:
        rows = [(one.record_id, _encode(one).decode()) for one in plans]
        answers = await self._session.run_all("plan", rows)
        stored = {}
        for one, [(applied, *row)] in zip(plans, answers, strict=True):
            stored[one.record_id] = one if applied else msgspec.json.decode(row[-1], type=Plan)
        return stored

    async def plans(self, record_ids: Collection[str]) -> dict[str, Plan]:
        ids = list(set(record_ids))
        answers = await self._session.run_all("plans", [(one,) for one in ids])
        pairs = zip(ids, answers, strict=True)
        return {one: msgspec.json.decode(rows[0][0], type=Plan) for one, rows in pairs if rows}

    async def put_deliveries(self, writes: Sequence[DeliveryWrite]) -> None:
        records: dict[str, list[tuple[str, Sequence[object]]]] = defaultdict(list)
        for one in writes:
            place, given = encoding.delivery_place(one.key), encoding.delivery_values(one)
            put = values(DELIVERIES, place, given, UNSET_VALUE, self.stamp(one.position))
            records[one.key.record_id].append(("put_delivery", put))
        await self._session.write(records.values())

    def stamp(self, position: int) -> int:
        """Return the timestamp of a router's write: the record's position, never the time of day."""
        return position

    async def deliveries(self, record_ids: Collection[str]) -> dict[str, list[Delivery]]:
        ids = list(set(record_ids))
        answers = await self._session.run_all("deliveries", [(one,) for one in ids])
        known = [[encoding.delivery_of(*row) for row in rows if row[5] is not None] for rows in answers]
        return {one: deliveries for one, deliveries in zip(ids, known, strict=True) if deliveries}

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        return [encoding.attempt_of(*row) for row in await self._session.run("attempts", delivery_id)]

    async def claim(self, delivery_id: str, n: int, *, token: str, lease: int) -> bool:
        return _applied(await self._session.run("claim", delivery_id, n, token, lease))

    async def settle(self, delivery_id: str, n: int, *, token: str, result: Result) -> bool:
        encoded = _encode(result).decode()
        if _applied(await self._session.run("settle", encoded, delivery_id, n, token)):
            return True
        attempt = await self._attempt(delivery_id, n)
        return attempt is not None and attempt.token == token and attempt.result == result and not attempt.uncertain

    async def doubt(self, delivery_id: str, n: int, *, token: str, now: int) -> bool:
        attempt = await self._attempt(delivery_id, n)
        if attempt is None or attempt.result is not None:
            return False
        if attempt.uncertain:
            return True
        if attempt.token != token and attempt.lease > now:
            return False
        # Token and lease stay what they were claimed with: only a result can have come in between.
        return _applied(await self._session.run("doubt", delivery_id, n, attempt.token))

    async def put_external(self, messages: Sequence[ExternalMessage]) -> None:
        puts = [("put_external", (m.connector, m.chat, m.external_id, _encode(m).decode())) for m in messages]
        firsts = [one for one in messages if one.delivery is None or one.delivery.part == 0]
        puts += [("put_external_of", (m.connector, m.chat, m.message_id, m.external_id)) for m in firsts]
        await self._session.write([put] for put in puts)

    async def put_pending(self, receipts: Sequence[Pending]) -> None:
        puts = [(one.connector, one.chat, one.external_id, one.state.value, one.at, one.reason) for one in receipts]
        await self._session.run_all("put_pending", puts)

    async def pending(self, connector: str, chat: str, external_id: str) -> list[Pending]:
        return _pending(await self._session.run("pending", connector, chat, external_id))

    async def pending_known(self, connector: str, *, limit: int) -> list[tuple[Pending, ExternalMessage]]:
        receipts = _pending(await self._session.run("all_pending", connector, _MAX_PENDING_ROWS))
        places = [(one.connector, one.chat, one.external_id) for one in receipts]
        pairs = zip(receipts, await self._session.run_all("external", places), strict=True)
        known = [(one, msgspec.json.decode(rows[0][0], type=ExternalMessage)) for one, rows in pairs if rows]
        return known[:limit]

    async def pending_done(self, receipts: Sequence[Pending]) -> None:
        places = [(one.connector, one.chat, one.external_id, one.state.value) for one in receipts]
        await self._session.run_all("pending_done", places)

    async def pending_trim(self, connector: str, *, before: int) -> None:
        receipts = _pending(await self._session.run("all_pending", connector, _MAX_PENDING_ROWS))
        await self.pending_done([one for one in receipts if one.at < before])

    async def park(self, connector: str, partition: int, destination: bytes, rows: Sequence[tuple[int, bytes]]) -> None:
        await self._session.write([[("park", (connector, partition, destination, *row)) for row in rows]])

    async def parked(self, connector: str, partition: int, destination: bytes) -> tuple[int, bytes] | None:
        rows = await self._session.run("parked", connector, partition, destination)
        return (rows[0][0], rows[0][1]) if rows else None

    async def unpark(self, connector: str, partition: int, destination: bytes, offset: int) -> None:
        await self._session.run("unpark", connector, partition, destination, offset)

    async def parked_destinations(self, connector: str, partition: int) -> list[bytes]:
        rows = await self._session.run("parked_destinations", connector, partition)
        return sorted({row[0] for row in rows})

    async def external_of(self, connector: str, chat: str, message_id: str) -> str | None:
        rows = await self._session.run("external_of", connector, chat, message_id)
        return str(rows[0][0]) if rows else None

    async def external(self, connector: str, chat: str, external_ids: Collection[str]) -> dict[str, ExternalMessage]:
        answers = await self._session.run_all("external", [(connector, chat, one) for one in set(external_ids)])
        messages = [msgspec.json.decode(rows[0][0], type=ExternalMessage) for rows in answers if rows]
        return {one.external_id: one for one in messages}

    async def _attempt(self, delivery_id: str, n: int) -> Attempt | None:
        rows = await self._session.run("attempt", delivery_id, n)
        return encoding.attempt_of(*rows[0]) if rows else None


def _applied(answer: Sequence[Sequence[Any]]) -> bool:
    return bool(answer[0][0])


def _pending(rows: Sequence[Sequence[Any]]) -> list[Pending]:
    return sorted((encoding.pending_of(*row) for row in rows), key=lambda one: one.at)
