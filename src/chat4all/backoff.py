"""How long to wait before something is tried again: longer each time, and not all who wait at the same moment."""

import random

_random = random.SystemRandom()
_MAX_DOUBLINGS = 32


class Backoff:
    """Waits that double from `first_seconds` to `max_seconds`, each drawn between a half of it and the whole, so that
    many who were cut off together do not come back together."""

    def __init__(self, first_seconds: float, max_seconds: float) -> None:
        self._first = first_seconds
        self._max = max_seconds
        self._failures = 0

    def failed(self) -> float:
        """Count one more failure; the seconds to wait now."""
        self._failures += 1
        return self.wait(self._failures)

    def succeeded(self) -> None:
        """Begin again with the first wait."""
        self._failures = 0

    def wait(self, failures: int, *, least_seconds: float = 0.0) -> float:
        """The seconds to wait after so many failures, one or more. `least_seconds`: no wait is shorter."""
        longest = min(self._first * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self._max)
        return max(least_seconds, longest) * _random.uniform(0.5, 1.0) + least_seconds / 2
