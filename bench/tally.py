"""Counting what has to come, and failing where it does not or comes too often."""

import asyncio
import time

from bench.measurement import FaultError


class Tally:
    """Counts up to what is expected. `what`: said when it does not come."""

    def __init__(self, expected: int, what: str) -> None:
        self.count = 0
        self.full_at = 0.0  # on time.perf_counter
        self._expected = expected
        self._what = what
        self._full = asyncio.Event()

    def add(self) -> None:
        """One more. Raises FaultError for one too many."""
        self.count += 1
        if self.count == self._expected:
            self.full_at = time.perf_counter()
            self._full.set()
        elif self.count > self._expected:
            raise FaultError(f"{self._what}: {self.count} of {self._expected}")

    async def full(self, seconds: float) -> None:
        """Wait until all have come. Raises FaultError."""
        try:
            async with asyncio.timeout(seconds):
                await self._full.wait()
        except TimeoutError:
            raise FaultError(f"{self._what}: {self.count} of {self._expected} after {seconds} s") from None
