"""The engines of a process: what stands behind each port, and those that are opened, migrated, examined and closed."""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from chat4all.directory.channels import ChannelDirectory
from chat4all.directory.port import Directory
from chat4all.futures import seen
from chat4all.limits.port import Limits
from chat4all.log.port import Log
from chat4all.model.engines import Engine
from chat4all.realtime.port import Realtime
from chat4all.store.ledger import Ledger
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

_logger = logging.getLogger(__name__)


class ManagedEngine(NamedTuple):
    """An engine, and the setting that says where it is, for whoever has to look for it."""

    engine: Engine
    variable: str


async def _no_check() -> None:
    """Nothing is to be seen before these engines are opened."""


def _no_files() -> None:
    """Nothing is to be read again where no engine has a password or a certificate."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What stands behind each port.

    `managed`: the engines by name, in the order in which they are closed; `exclusive`: nobody else works on them, so
    this process brings them up to date itself; `holder`: the name of this process in leases, if it is always the same;
    `adapters`: which twin each port has, for the metrics; `place`: where the log is, for whoever has to restore it;
    `check_complete`: called before they are opened, raises StartError; `refresh`: reads certificates and passwords
    again, raises UnusableFileError; `close_seconds`: how long each may take.
    """

    log: Log
    store: Store
    ledger: Ledger
    directory: Directory
    channels: ChannelDirectory
    realtime: Realtime
    limits: Limits
    metrics: Metrics
    traces: Traces
    managed: Mapping[str, ManagedEngine]
    adapters: Mapping[str, str]
    place: str
    exclusive: bool = False
    holder: str = ""
    check_complete: Callable[[], Awaitable[None]] = _no_check
    refresh: Callable[[], None] = _no_files
    close_seconds: float | None = None

    async def open(self) -> None:
        """Open them all. Raises EngineUnavailableError, StartError; `close` closes those that are open then."""
        await self.check_complete()
        for one in self.managed.values():
            await one.engine.open()
        for port, adapter in self.adapters.items():
            self.metrics.adapter.labels(port, adapter).set(1)

    async def close(self) -> None:
        """Close them all, one after the other: none is kept from it by another that hangs or fails. Traces go last."""
        for name, one in self.managed.items():
            closing = asyncio.create_task(one.engine.close())
            closing.add_done_callback(seen)
            await asyncio.wait({closing}, timeout=self.close_seconds)
            if not closing.done():
                _logger.warning("The %s does not close in %.0f s, and is left", name, self.close_seconds)
                closing.cancel()  # and not waited for: what hangs may not hear it
            elif (fault := closing.exception()) is not None:
                _logger.error("The %s could not be closed: %s", name, fault, exc_info=fault)
        await asyncio.to_thread(self.traces.close)
