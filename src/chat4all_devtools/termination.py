"""The end of a program that has started processes: it stops them first, however often it is told to end."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def orderly(code: int | None = None) -> Iterator[None]:
    """Raise SystemExit in this block at the first SIGINT, SIGTERM or SIGHUP, and do nothing at the next ones.

    There is nearly always a next one: `timeout` and a terminal tell the whole process group, of which make tells its
    child again. A second exception would break off the stopping that the first one began. `code`: of the exit; where
    it is None, 128 and the signal's number. A signal that is ignored already, as nohup does, stays ignored.
    """
    told = False

    def tell(number: int, _: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise SystemExit(128 + number if code is None else code)

    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, tell) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
