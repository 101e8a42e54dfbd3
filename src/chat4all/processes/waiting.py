"""The time before a process can start: files that its settings name are missing, or cannot be used yet.

In Kubernetes a Secret may come after the pod that mounts it. The process then says what it waits for, at /readyz and in
its log, and goes on by itself; it does not end, for it would only be started again and again.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from chat4all.api import health
from chat4all.api.health import Operations
from chat4all.model.errors import UnusableFileError
from chat4all.processes import servers, signals
from chat4all.telemetry.metrics import Metrics

_logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0


async def until_usable(check: Callable[[], Any], operations: socket.socket) -> bool:
    """Wait until `check` raises UnusableFileError no more; False where the process was told to stop meanwhile.

    Meanwhile /livez and /readyz are answered on the socket of operations, which stays open. Raises what else `check`
    raises.
    """
    waiting = _Waiting(check)
    if waiting.is_over():
        return True
    app = health.create(Operations(Metrics(), waiting.ready, dict))
    async with servers.plain(app, operations.dup()):
        with signals.told_to_stop() as stop:
            looks = asyncio.create_task(waiting.until_over())
            await signals.first(looks, stop)
    return not looks.cancelled() and looks.result()


class _Waiting:
    """Looks again and again whether files are there."""

    def __init__(self, check: Callable[[], Any]) -> None:
        self._check = check
        self._why = ""

    def ready(self) -> Mapping[str, str | None]:
        """Return what the process waits for."""
        return {"files": self._why}

    def is_over(self) -> bool:
        """Look once. Raises what `check` raises but UnusableFileError."""
        try:
            self._check()
        except UnusableFileError as error:
            if str(error) != self._why:
                _logger.warning("Waiting: %s", error)
            self._why = str(error)
            return False
        return True

    async def until_over(self) -> bool:
        """Look until the files are there."""
        while not self.is_over():  # noqa: ASYNC110 - nobody else knows of a file
            await asyncio.sleep(_LOOK_SECONDS)
        return True
