"""The relay: appends what transactions left in the outbox, in order, until the log has it (invariant 9)."""

import asyncio
import logging
from typing import Final

from chat4all.directory.port import Directory
from chat4all.log.port import Entry, Log
from chat4all.model.errors import EngineUnavailableError

_log = logging.getLogger(__name__)

_BATCH: Final = 200
_LEASE: Final = 15.0  # seconds; another process takes over after that
_IDLE: Final = 1.0  # seconds between looks when nobody says that there is something


class Relay:
    """One relay at a time works, under a lease; `holder` names the process in it.

    A crash between append and removal appends a notice twice: its id is known by then, so the router skips the repeat.
    """

    def __init__(self, *, directory: Directory, log: Log, holder: str) -> None:
        self._directory = directory
        self._log = log
        self._holder = holder
        self._work = asyncio.Event()

    def kick(self) -> None:
        """There is something in the outbox."""
        self._work.set()

    async def run(self) -> None:
        """Relay for ever; engines that are away are waited for."""
        while True:
            try:
                more = await self.relay()
            except EngineUnavailableError as error:
                _log.warning("The outbox waits: %s", error)
                more = False
            if not more:
                await self._rest()

    async def relay(self) -> bool:
        """Append one batch; whether there may be more."""
        if not await self._directory.lease("outbox", self._holder, seconds=_LEASE):
            return False
        rows = await self._directory.outbox(limit=_BATCH)
        if not rows:
            return False
        notices = [row.notice for row in rows]
        await self._log.append([Entry(notice.topic, notice.key.encode(), notice.value) for notice in notices])
        await self._directory.outbox_done([row.number for row in rows])
        return len(rows) == _BATCH

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_IDLE):
                await self._work.wait()
        except TimeoutError:
            return
        self._work.clear()
