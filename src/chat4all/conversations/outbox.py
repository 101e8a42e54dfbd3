"""The relay appends the notices that transactions left in the outbox, in order, to the log (invariant 9)."""

import asyncio
import logging
from typing import Final

from chat4all.directory.port import Directory
from chat4all.log.port import Entry, Log
from chat4all.model.errors import EngineUnavailableError

_log = logging.getLogger(__name__)

_BATCH_ROWS: Final = 200
_LEASE_SECONDS: Final = 15.0  # another process takes over after that
_IDLE_SECONDS: Final = 1.0  # between looks when nobody calls `kick`


class Relay:
    """Relays notices under a lease, so that one relay works at a time; `holder` names the process in the lease.

    A crash between append and removal appends a notice twice: its id is known by then, so the router skips the repeat.
    """

    def __init__(self, *, directory: Directory, log: Log, holder: str) -> None:
        self._directory = directory
        self._log = log
        self._holder = holder
        self._work = asyncio.Event()

    def kick(self) -> None:
        """Look at once: there is something in the outbox."""
        self._work.set()

    async def run(self) -> None:
        """Relay for ever; engines that are away are waited for."""
        while True:
            try:
                more = await self.relay()
            except EngineUnavailableError as error:
                _log.warning("The outbox is waiting: %s", error)
                more = False
            if not more:
                await self._rest()

    async def relay(self) -> bool:
        """Append one batch; return whether there may be more. Raises EngineUnavailableError."""
        if not await self._directory.lease("outbox", self._holder, seconds=_LEASE_SECONDS):
            return False
        rows = await self._directory.outbox(limit=_BATCH_ROWS)
        if not rows:
            return False
        notices = [row.notice for row in rows]
        await self._log.append([Entry(notice.topic, notice.key.encode(), notice.value) for notice in notices])
        await self._directory.outbox_done([row.number for row in rows])
        return len(rows) == _BATCH_ROWS

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._work.wait()
        except TimeoutError:
            return
        self._work.clear()
