"""What the rest of the system may ask of rate limits. Twins: embedded (this process); tests/contract/test_limits.py."""

from typing import NamedTuple, Protocol


class Rate(NamedTuple):
    """A token bucket: it holds `burst` tokens, at least one, and gains `per_second`, more than nought."""

    per_second: float
    burst: int


class Limits(Protocol):
    """Token buckets by name. Raises EngineUnavailableError within a bounded time."""

    async def take(self, name: str, rate: Rate, tokens: int = 1) -> float:
        """Take the tokens and return 0.0, or take none and return the seconds until they would be there.

        More tokens than `burst` can never be there: ValueError.
        """
        ...
