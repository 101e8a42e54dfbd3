"""Receipts that providers send: they may come before we know that the message is ours, and none is lost by that.

Whoever learns that a message is ours looks for what was told of it; whoever is told something keeps it, and then looks
whether the message is ours (invariant 6 of the design). A sweep looks again, for crashes between the two.
"""

from collections.abc import Sequence
from typing import Final

from chat4all.channels.kit.events import Progress
from chat4all.connectors.receipts import progress
from chat4all.log.port import CONVERSATIONS, Entry, Log
from chat4all.model import records
from chat4all.model.outbound import ExternalMessage, Pending
from chat4all.store.ledger import Ledger

_SWEEP_RECEIPTS: Final = 500  # receipts of one sweep
_RETENTION_MS: Final = 7 * 86_400_000


class EarlyReceipts:
    """Of one connector. Every method raises EngineUnavailableError."""

    def __init__(self, *, connector: str, ledger: Ledger, log: Log) -> None:
        self._connector = connector
        self._ledger = ledger
        self._log = log

    async def take(self, event: Progress) -> None:
        """A provider tells something: it is kept, and told on if the message is known."""
        place = {"connector": self._connector, "chat": event.chat, "external_id": event.external_id}
        told = Pending(**place, state=event.state, at=event.at, reason=event.reason)
        await self._ledger.put_pending([told])
        known = await self._ledger.external(self._connector, event.chat, [event.external_id])
        if event.external_id in known:
            await self._tell([(told, known[event.external_id])])

    async def of(self, message: ExternalMessage) -> None:
        """A message is known now: tell on what was told of it before."""
        early = await self._ledger.pending(self._connector, message.chat, message.external_id)
        await self._tell([(told, message) for told in early])

    async def sweep(self, now: int) -> None:
        """Tell on what somebody did not get to, and forget what is old. `now`: ms."""
        while found := await self._ledger.pending_known(self._connector, limit=_SWEEP_RECEIPTS):
            await self._tell(found)
        await self._ledger.pending_trim(self._connector, before=now - _RETENTION_MS)

    async def _tell(self, told: Sequence[tuple[Pending, ExternalMessage]]) -> None:
        if not told:
            return
        made = [progress(one, message) for one, message in told]
        entries = [
            Entry(CONVERSATIONS, one.conversation_id.encode(), records.encode(one)) for one in made if one is not None
        ]
        await self._log.append(entries)
        await self._ledger.pending_done([one for one, _ in told])
