"""Which connectors are to be looked at: each once, whatever has happened to it, and later where something failed."""

import asyncio

from chat4all.backoff import Backoff
from chat4all_operator.metrics import Metrics

_FIRST_RETRY_SECONDS = 0.5
_MAX_RETRY_SECONDS = 30.0


class Backlog:
    """Names that wait. One that is added while it is being looked at is looked at again afterwards."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: dict[str, None] = {}  # in the order in which they came
        self._busy: set[str] = set()
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._backoffs: dict[str, Backoff] = {}
        self._more = asyncio.Event()

    def add(self, name: str) -> None:
        """Have a connector looked at soon."""
        self._waiting[name] = None
        self._metrics.waiting.set(len(self._waiting))
        self._more.set()

    def add_later(self, name: str, seconds: float) -> None:
        """Have a connector looked at after some time, if nothing happens to it before."""
        if before := self._later.pop(name, None):
            before.cancel()
        self._later[name] = asyncio.get_running_loop().call_later(seconds, self.add, name)

    async def take(self) -> str:
        """Return the next, which nobody else is given until it is done."""
        while True:
            for name in self._waiting:
                if name not in self._busy:
                    del self._waiting[name]
                    self._busy.add(name)
                    if timer := self._later.pop(name, None):
                        timer.cancel()
                    self._metrics.waiting.set(len(self._waiting))
                    return name
            self._more.clear()
            await self._more.wait()

    def done(self, name: str, *, failed: bool) -> None:
        """It was looked at; one that failed is looked at again, after longer and longer waits."""
        self._busy.discard(name)
        if failed:
            backoff = self._backoffs.setdefault(name, Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS))
            self.add_later(name, backoff.failed())
        else:
            self._backoffs.pop(name, None)
        if name in self._waiting:
            self._more.set()

    def close(self) -> None:
        """Forget what was to come later."""
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
