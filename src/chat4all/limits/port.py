"""What the rest of the system may ask of rate limits. Twins: embedded (this process); tests/contract/test_limits.py."""

from typing import Protocol

from chat4all.model.rates import Rate


class Limits(Protocol):
    """Token buckets by name. Raises EngineUnavailableError within a bounded time."""

    async def take(self, name: str, rate: Rate, tokens: int = 1) -> float:
        """Take the tokens and return 0.0, or take none and return the seconds until they would be there.

        More tokens than `burst` can never be there: ValueError.
        """
        ...
