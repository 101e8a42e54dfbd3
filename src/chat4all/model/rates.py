"""Rates, of whatever is limited: a user's messages, a bot's calls."""

from typing import NamedTuple


class Rate(NamedTuple):
    """A token bucket: it holds `burst` tokens, at least one, and gains `per_second`, more than nought."""

    per_second: float
    burst: int
