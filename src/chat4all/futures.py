"""Futures and tasks that may outlive whoever waits for them."""

import asyncio
from typing import Any, Final

_MAX_CANCELS: Final = 5  # times that a task is told to end
_CANCEL_SECONDS: Final = 1.0  # it gets each time


def seen(future: asyncio.Future[Any]) -> None:
    """A callback for its end, by which an exception counts as seen: whoever asked may have been cancelled meanwhile,
    and asyncio would log that it "was never retrieved", as if nobody had cared. Whoever still waits gets it as ever."""
    if not future.cancelled():
        future.exception()


async def cancelled(task: asyncio.Task[Any]) -> bool:
    """Cancel a task again and again until it has heard it; whether it has ended. A library that is just finishing
    something may take a cancellation for its own, as wait_for of Python 3.11 does
    (https://github.com/python/cpython/issues/86296). Whoever waits here and is cancelled meanwhile tells the task once
    more at once, and raises CancelledError at the end."""
    own: asyncio.CancelledError | None = None
    for _ in range(_MAX_CANCELS):
        task.cancel()
        try:
            await asyncio.wait({task}, timeout=_CANCEL_SECONDS)
        except asyncio.CancelledError as error:
            own = error
        if task.done():
            break
    if own is not None:
        raise own
    return task.done()
