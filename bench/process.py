"""A process under test, pinned to a core, and what the kernel says it has used."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.measurement import FaultError
from chat4all_devtools.process import Process, ProcessError

__all__ = ["Process", "on", "pin", "running"]

_START_SECONDS: Final = 30.0
_ALL: Final = os.sched_getaffinity(0)


@contextlib.asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    core: int | None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """The process, ready; stopped at the end. `core`: where it runs, None: anywhere.

    What is set in our own environment goes before `environment`.
    """
    process = Process(command, log, {**(environment or {}), **os.environ}, port=port)
    with on(core):
        process.start()
    try:
        await asyncio.to_thread(process.wait_until, lambda: _answers(port), seconds=_START_SECONDS)
        yield process
    except ProcessError as error:
        raise FaultError(str(error)) from error
    finally:
        process.stop()


def pin(core: int) -> None:
    """This thread, and what it starts, runs on that core only."""
    os.sched_setaffinity(0, {core})


@contextlib.contextmanager
def on(core: int | None) -> Iterator[None]:
    """What this thread starts meanwhile runs on that core, from its first instruction on, with all its threads. None:
    on all that there are, also where this thread was pinned since."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, _ALL if core is None else {core})
        yield
    finally:
        os.sched_setaffinity(0, before)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
