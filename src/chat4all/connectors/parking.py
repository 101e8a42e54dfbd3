"""Where a connector parks the lanes that have to wait for long: in the ledger."""

from collections.abc import Sequence

import msgspec

from chat4all.model.outbound import AnyOutbound
from chat4all.store.ledger import Ledger
from chat4all.telemetry.traces import Headers


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """When it was appended, ms, what it is, and of which trace it is a part."""

    at: int
    record: AnyOutbound
    trace: Headers = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Waiting).decode


class LedgerParking:
    """Parks the records of one connector in the ledger: see `chat4all.connectors.lanes.Parking`."""

    def __init__(self, ledger: Ledger, connector: str) -> None:
        self._ledger = ledger
        self._connector = connector

    async def add(self, partition: int, lane: bytes, items: Sequence[tuple[int, Waiting]]) -> None:
        rows = [(offset, _encode(what)) for offset, what in items]
        await self._ledger.park(self._connector, partition, lane, rows)

    async def first(self, partition: int, lane: bytes) -> tuple[int, Waiting] | None:
        found = await self._ledger.parked(self._connector, partition, lane)
        return None if found is None else (found[0], _decode(found[1]))

    async def remove(self, partition: int, lane: bytes, offset: int) -> None:
        await self._ledger.unpark(self._connector, partition, lane, offset)

    async def lanes(self, partition: int) -> Sequence[bytes]:
        return await self._ledger.parked_destinations(self._connector, partition)
