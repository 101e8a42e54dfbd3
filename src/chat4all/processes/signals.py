"""Signals: a process that is told to end finishes what is under way; told once more, it ends at once."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from typing import Any, Final

_logger = logging.getLogger(__name__)

_SAME_SECONDS: Final = 1.0  # a terminal, make and timeout tell a process twice what was meant once


@contextlib.contextmanager
def told_to_stop() -> Iterator[asyncio.Future[signal.Signals]]:
    """Done, with its number, at the first SIGINT or SIGTERM. A later one ends the process at once, whatever it is at;
    one that comes within a second is the first one told twice."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[signal.Signals] = loop.create_future()
    first_at = 0.0

    def tell(number: signal.Signals) -> None:
        nonlocal first_at
        if stop.done():
            if time.monotonic() - first_at < _SAME_SECONDS:
                return
            _logger.critical("A second signal: ended at once")
            os._exit(128 + number)
        _logger.warning("Told to stop: no new work, what is under way is finished; a second signal ends at once")
        first_at = time.monotonic()
        stop.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            if stop.done():  # all is closed: what is told once more would only spoil the exit code
                signal.signal(number, signal.SIG_IGN)


async def first(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> None:
    """Wait until one of the two is done; the first one is then cancelled, if it is not."""
    await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
    if not one.done():
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one
