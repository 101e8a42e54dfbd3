"""The part of the store that says what leaves the app and what became of it. Twins: embedded (SQLite), cassandra;
tests/contract/test_ledger.py holds for each.

Plans and attempts are the only tables with conditions: a plan is inserted where there is none; an attempt is claimed
where nobody has, gets a result where it has none and is not in doubt, and is in doubt for ever. Everything else is
written as the rest of the store is: columns under a position, where the highest wins. The router writes plans and
deliveries, connectors write attempts and external messages, nobody anything else.
All methods raise EngineUnavailableError within a bounded time.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from chat4all.model.outbound import Attempt, Delivery, DeliveryWrite, ExternalMessage, Pending, Plan, Result


class Ledger(Protocol):
    """The ledger keeps plans, deliveries, attempts and what providers tell. Keys that it does not know are absent from
    a mapping that is returned."""

    # -- the router's

    async def plan(self, plans: Sequence[Plan]) -> dict[str, Plan]:
        """Insert each plan whose record has none yet. Return the stored plan of each record by its id, which may be
        another router's."""
        ...

    async def plans(self, record_ids: Collection[str]) -> dict[str, Plan]:
        """Return the plans of these records, by record id."""
        ...

    async def put_deliveries(self, writes: Sequence[DeliveryWrite]) -> None:
        """Set the columns that the writes name. Writes may come late, twice and in any order."""
        ...

    async def deliveries(self, record_ids: Collection[str]) -> dict[str, list[Delivery]]:
        """Return all deliveries of these records by record id, each list in the order of recipient, link, generation
        and part."""
        ...

    # -- the connectors'

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        """Return all attempts at a delivery, in the order in which they were made."""
        ...

    async def claim(self, delivery_id: str, n: int, *, token: str, lease: int) -> bool:
        """Claim attempt n, counted from 1, until `lease` (ms). Return False if another process has claimed it."""
        ...

    async def settle(self, delivery_id: str, n: int, *, token: str, result: Result) -> bool:
        """Write the result of one's own attempt. Return False if it has another result or is in doubt, True also for
        the same result again."""
        ...

    async def doubt(self, delivery_id: str, n: int, *, token: str, now: int) -> bool:
        """Mark an attempt as in doubt: nobody knows what came of it. It is one's own, or another's whose lease is over
        at `now` (ms).

        Return True if it is in doubt now or was before, False if it has a result or its holder may still work at it.
        """
        ...

    async def put_external(self, messages: Sequence[ExternalMessage]) -> None:
        """Store which messages of ours the providers' messages are. The same again changes nothing."""
        ...

    async def put_pending(self, receipts: Sequence[Pending]) -> None:
        """Keep receipts of providers until they have been appended to the log. The same again changes nothing.

        A process that puts an external message reads the pending receipts next, and one that puts a pending receipt
        reads the external messages: one of the two, or both, finds both.
        """
        ...

    async def pending(self, connector: str, chat: str, external_id: str) -> list[Pending]:
        """Return the receipts of this message that have not been appended yet, the oldest first."""
        ...

    async def pending_known(self, connector: str, *, limit: int) -> list[tuple[Pending, ExternalMessage]]:
        """Return at most `limit` pending receipts of messages that are known, the oldest first, each with its
        message."""
        ...

    async def pending_done(self, receipts: Sequence[Pending]) -> None:
        """Forget these receipts: they were appended."""
        ...

    async def pending_trim(self, connector: str, *, before: int) -> None:
        """Forget pending receipts of this connector from before this time (ms): their messages are not ours."""
        ...

    async def park(self, connector: str, partition: int, destination: bytes, rows: Sequence[tuple[int, bytes]]) -> None:
        """Keep records of one chat that have to wait for long. A row is an offset and a record; the same again changes
        nothing."""
        ...

    async def parked(self, connector: str, partition: int, destination: bytes) -> tuple[int, bytes] | None:
        """Return the parked record of this chat that has the lowest offset, as (offset, record), or None."""
        ...

    async def unpark(self, connector: str, partition: int, destination: bytes, offset: int) -> None:
        """Forget a parked record: it is done."""
        ...

    async def parked_destinations(self, connector: str, partition: int) -> list[bytes]:
        """Return the chats of this partition that have parked records."""
        ...

    async def external_of(self, connector: str, chat: str, message_id: str) -> str | None:
        """Return the provider's id of our message in that chat, or None. Of a message in several parts it is that of
        the first part."""
        ...

    async def external(self, connector: str, chat: str, external_ids: Collection[str]) -> dict[str, ExternalMessage]:
        """Return the messages that have these ids at the provider, by that id."""
        ...
