"""Futures that may outlive whoever waits for them."""

import asyncio
from typing import Any


def seen(future: asyncio.Future[Any]) -> None:
    """A callback for its end, by which an exception counts as seen: whoever asked may have been cancelled meanwhile,
    and asyncio would log that it "was never retrieved", as if nobody had cared. Whoever still waits gets it as ever."""
    if not future.cancelled():
        future.exception()
