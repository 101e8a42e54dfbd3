"""A process under test, pinned to a core, and what the kernel says it has used."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.measurement import FaultError

_STARTS: Final = 30.0  # seconds
_STOPS: Final = 15.0
_ALL: Final = os.sched_getaffinity(0)
_TICKS: Final = os.sysconf("SC_CLK_TCK")  # per second


class Process:
    """`port`: where it will listen on loopback; `log`: takes its output."""

    def __init__(self, child: subprocess.Popen[bytes], *, port: int, log: Path) -> None:
        self.port = port
        self._log = log
        self._child = child

    async def ready(self) -> None:
        """Wait until it listens. Raises FaultError with the end of its output."""
        deadline = time.monotonic() + _STARTS
        while not _answers(self.port):
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise FaultError(f"{self._log.name}: it did not start.\n{self.output()}")
            await asyncio.sleep(0.05)  # between looks, until the deadline

    def stop(self) -> None:
        """SIGTERM; SIGKILL if it takes too long."""
        self._child.terminate()
        try:
            self._child.wait(_STOPS)
        except subprocess.TimeoutExpired:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait(_STOPS)

    def output(self) -> str:
        """The end of what it has printed."""
        return self._log.read_text(errors="replace")[-3000:]

    def cpu_seconds(self) -> float:
        """User and system time of all its threads since its start, in steps of 10 ms."""
        fields = Path(f"/proc/{self._child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_kib(self) -> int:
        """Resident memory. The kernel's own buffers of its sockets are not in it."""
        rollup = Path(f"/proc/{self._child.pid}/smaps_rollup").read_text(encoding="ascii")
        return int(rollup.partition("\nRss:")[2].split()[0])


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
    child = _launched(command, log, core, {**(environment or {}), **os.environ})
    process = Process(child, port=port, log=log)
    try:
        await process.ready()
        yield process
    finally:
        process.stop()


def _launched(
    command: Sequence[str], log: Path, core: int | None, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output, on(core):
        return subprocess.Popen(  # noqa: S603 - a command of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            start_new_session=True,
        )


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
