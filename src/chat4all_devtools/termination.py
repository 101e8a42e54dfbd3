"""The end of a program that has started processes: it stops them first, however often it is told to end."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Run = Callable[[Coroutine[Any, Any, None]], None]


@contextlib.contextmanager
def orderly(code: int | None = None) -> Iterator[Run]:
    """Raise SystemExit in this block at the first SIGINT, SIGTERM or SIGHUP, and do nothing at the next ones.

    There is nearly always a next one: `timeout` and a terminal tell the whole process group, of which make tells its
    child again. A second exception would break off the stopping that the first one began. `code`: of the exit; where
    it is None, 128 and the signal's number. A signal that is ignored already, as nohup does, stays ignored.

    What is yielded runs a coroutine to its end, as asyncio.run does: a signal cancels it, for an exception from nowhere
    would break the loop and what runs in it.
    """
    told: int | None = None
    cancel: Callable[[], object] | None = None

    def end() -> SystemExit:
        return SystemExit(128 + (told or 0) if code is None else code)

    def tell(number: int, _: FrameType | None) -> None:
        nonlocal told
        if told is None:
            told = number
            if cancel is None:
                raise end()
            cancel()

    def run(main: Coroutine[Any, Any, None]) -> None:
        async def cancellable() -> None:
            nonlocal cancel
            loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)
            cancel = lambda: loop.call_soon_threadsafe(task.cancel)  # noqa: E731 - see tell
            try:
                await asyncio.wait({task})
            finally:
                cancel = None
            if told is None:
                task.result()

        asyncio.run(cancellable())
        if told is not None:
            raise end()

    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, tell) for number in heard}
    try:
        yield run
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
