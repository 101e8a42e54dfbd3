"""What the rest of the system may ask of rate limits. Twins: embedded (this process), redis;
tests/contract/test_limits.py holds for each."""

from typing import Protocol

from chat4all.model.rates import Rate


class Limits(Protocol):
    """Limits are token buckets by name. Every method raises EngineUnavailableError within a bounded time."""

    async def take(self, name: str, rate: Rate, tokens: int = 1, *, share: int | None = None) -> float:
        """Take the tokens and return 0.0, or take none and return the seconds until the bucket holds enough.

        `share`: among how many processes the rate is divided while they cannot count together; None: as is set.

        Raises ValueError for more tokens than `rate.burst`, which the bucket can never hold.
        """
        ...
