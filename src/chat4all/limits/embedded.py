"""Token buckets of one process are kept in memory; those that are full again are forgotten."""

import time
from collections.abc import Callable
from typing import Final

from chat4all.model.rates import Rate

# A caller that waited as long as the answer said is let in, whatever rounding makes of it.
_ROUNDING_TOKENS: Final = 1e-6
_MAX_BUCKETS: Final = 100_000  # beyond it those that are full again are forgotten


class EmbeddedLimits:
    """Limits counts the tokens of one process. `clock`: seconds that never go back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float, Rate]] = {}  # name → tokens, when counted, rate

    async def take(self, name: str, rate: Rate, tokens: int = 1, *, share: int | None = None) -> float:
        _ = share  # nobody else counts
        if tokens > rate.burst:
            raise ValueError(f"{tokens} tokens never fit into a burst of {rate.burst}")
        now = self._clock()
        content, counted_at, _ = self._buckets.get(name, (float(rate.burst), now, rate))
        content = min(float(rate.burst), content + (now - counted_at) * rate.per_second)
        if content + _ROUNDING_TOKENS < tokens:
            self._buckets[name] = (content, now, rate)
            return (tokens - content) / rate.per_second
        self._buckets[name] = (content - tokens, now, rate)
        if len(self._buckets) > _MAX_BUCKETS:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        full = [
            name
            for name, (content, counted_at, rate) in self._buckets.items()
            if content + (now - counted_at) * rate.per_second >= rate.burst
        ]
        for name in full:
            del self._buckets[name]
