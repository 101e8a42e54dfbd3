"""An engine that goes away makes one line in the process's log, and one more when it is back."""

import logging
import time
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

_STEADY_SECONDS: Final = 1.0  # without a failure, until an engine that answers counts as back


class Outage:
    """An outage object is told how each call of an engine went, and writes a log line where that is a change."""

    def __init__(self, engine: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._since: float | None = None
        self._failed = 0.0

    def failed(self, why: object) -> None:
        """Note that a call of the engine did not reach it, or was not answered in time; `why`: for a person."""
        self._failed = self._clock()
        if self._since is None:
            self._since = self._failed
            _log.warning("%s is away: %s", self._engine, why)

    def answered(self) -> None:
        """Note that a call of the engine was answered; it counts as back after a second without a failure."""
        if self._since is not None and (now := self._clock()) - self._failed >= _STEADY_SECONDS:
            _log.warning("%s is back after %.0f s", self._engine, now - self._since)
            self._since = None
