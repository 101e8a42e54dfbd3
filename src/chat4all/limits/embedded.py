"""Token buckets inside one process; those that are full again are forgotten."""

import time
from collections.abc import Callable
from typing import Final

from chat4all.model.rates import Rate

_DUST: Final = 1e-6  # tokens: whoever waited as long as he was told is let in, whatever floats make of it
_BUCKETS: Final = 100_000  # after so many, those that are full again are dropped


class EmbeddedLimits:
    """`clock`: seconds that never go back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float, Rate]] = {}  # name → tokens, when counted, rate

    async def take(self, name: str, rate: Rate, tokens: int = 1) -> float:
        if tokens > rate.burst:
            raise ValueError(f"{tokens} tokens never fit into a burst of {rate.burst}")
        now = self._clock()
        held, counted, _ = self._buckets.get(name, (float(rate.burst), now, rate))
        held = min(float(rate.burst), held + (now - counted) * rate.per_second)
        if held + _DUST < tokens:
            self._buckets[name] = (held, now, rate)
            return (tokens - held) / rate.per_second
        self._buckets[name] = (held - tokens, now, rate)
        if len(self._buckets) > _BUCKETS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        full = [
            name
            for name, (held, counted, rate) in self._buckets.items()
            if held + (now - counted) * rate.per_second >= rate.burst
        ]
        for name in full:
            del self._buckets[name]
