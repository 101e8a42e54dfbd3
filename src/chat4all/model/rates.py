"""A rate limits something: a user's messages, a bot's calls."""

from typing import NamedTuple


class Rate(NamedTuple):
    """A rate is a token bucket: it holds `burst` tokens (at least 1), and gains `per_second` (more than 0)."""

    per_second: float
    burst: int
