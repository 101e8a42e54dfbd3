"""The part of the store that says what leaves the app and what became of it. Twins: embedded (SQLite);
tests/contract/test_ledger.py.

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
    """The ledger. What is not there is absent from a mapping that is returned."""

    # -- the router's

    async def plan(self, plans: Sequence[Plan]) -> dict[str, Plan]:
        """Insert each where its record has none; the plan of each record as it is stored, whoever made it."""
        ...

    async def plans(self, record_ids: Collection[str]) -> dict[str, Plan]:
        """The plans of these records."""
        ...

    async def put_deliveries(self, writes: Sequence[DeliveryWrite]) -> None:
        """Set what the writes name; late, twice and in any order."""
        ...

    async def deliveries(self, record_ids: Collection[str]) -> dict[str, list[Delivery]]:
        """All of these records, by recipient, link, generation and part."""
        ...

    # -- the connectors'

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        """Every one, the first first."""
        ...

    async def claim(self, delivery_id: str, n: int, *, token: str, lease: int) -> bool:
        """Claim attempt n, from 1 on, until `lease` (ms); False: somebody has it."""
        ...

    async def settle(self, delivery_id: str, n: int, *, token: str, result: Result) -> bool:
        """The result of one's own attempt; False: it has one, or is in doubt. The same result again is True."""
        ...

    async def doubt(self, delivery_id: str, n: int, *, token: str, now: int) -> bool:
        """Say that nobody knows what came of it: one's own attempt, or another's whose lease is over at `now` (ms).

        True: it is in doubt, be it since before; False: it has a result, or another may still be at it.
        """
        ...

    async def put_external(self, messages: Sequence[ExternalMessage]) -> None:
        """What providers' messages are here; the same again changes nothing."""
        ...

    async def put_pending(self, receipts: Sequence[Pending]) -> None:
        """Keep what providers tell, until it has been told on; the same again changes nothing.

        Whoever puts an external message reads these next, and whoever puts one of these reads the external messages:
        one of the two, or both, finds both.
        """
        ...

    async def pending(self, connector: str, chat: str, external_id: str) -> list[Pending]:
        """What a provider told of this message and was not told on."""
        ...

    async def pending_known(self, connector: str, *, limit: int) -> list[tuple[Pending, ExternalMessage]]:
        """What was told of messages that are known, and was not told on."""
        ...

    async def pending_done(self, receipts: Sequence[Pending]) -> None:
        """These were told on."""
        ...

    async def pending_trim(self, connector: str, *, before: int) -> None:
        """Forget what was told before this (ms) and belongs to nothing."""
        ...

    async def park(self, connector: str, partition: int, destination: bytes, rows: Sequence[tuple[int, bytes]]) -> None:
        """Keep records that have to wait for long, by their offsets; the same again changes nothing."""
        ...

    async def parked(self, connector: str, partition: int, destination: bytes) -> tuple[int, bytes] | None:
        """The record of the lowest offset."""
        ...

    async def unpark(self, connector: str, partition: int, destination: bytes, offset: int) -> None:
        """It is done."""
        ...

    async def parked_destinations(self, connector: str, partition: int) -> list[bytes]:
        """Those that have something parked."""
        ...

    async def external_of(self, connector: str, chat: str, message_id: str) -> str | None:
        """The provider's id of our message in that chat, of its first part if it has several; None: it has none."""
        ...

    async def external(self, connector: str, chat: str, external_ids: Collection[str]) -> dict[str, ExternalMessage]:
        """What these are, by the provider's id."""
        ...
