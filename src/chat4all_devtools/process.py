"""A program in the background, its output in a file: started, waited for, measured, told to end, killed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

_STOP_SECONDS: Final = 120.0  # until one that was told to end is killed: a machine may be ten times slower than usual
_LOOK_SECONDS: Final = 0.02  # between looks whether it is ready
_TAIL_CHARACTERS: Final = 3000

Popen = Callable[..., subprocess.Popen[bytes]]


class ProcessError(Exception):
    """A process did not start, or has ended. The message has the end of its output."""


class Process:
    """`command`: what is run; `log`: the file that its output is appended to; `environment`: all of it, or our own;
    `popen`: starts a process, as subprocess.Popen does; `port`: where it will listen on loopback, if anybody asks.

    It can be started again when it has ended. It is in a session of its own: a signal from a terminal is not for it.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        popen: Popen = subprocess.Popen,
        *,
        port: int = 0,
    ) -> None:
        self.port = port
        self.command = command
        self.log = log
        self.environment = dict(os.environ if environment is None else environment)
        self._popen = popen
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; does nothing where it runs."""
        if self.alive:
            return
        with self.log.open("ab") as output:
            self._child = self._popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process runs now."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The number of its present or last life; nought before the first."""
        return 0 if self._child is None else self._child.pid

    @property
    def exit_code(self) -> int | None:
        """With which code it has ended, below nought for a signal; None while it runs, or before."""
        return None if self._child is None else self._child.poll()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until it is ready. Raises ProcessError where it ends before, or takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive or time.monotonic() > deadline:
                raise ProcessError(f"{self.log.name}: it did not start:\n{self.output()}")
            time.sleep(_LOOK_SECONDS)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; its exit code. Raises subprocess.TimeoutExpired where it takes longer."""
        return 0 if self._child is None else self._child.wait(seconds)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing where it has ended."""
        if self._child is not None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait: it gets no chance to finish anything."""
        if self.alive:
            self.send_signal(signal.SIGKILL)
            self.wait(_STOP_SECONDS)

    def stop(self, *, seconds: float = _STOP_SECONDS) -> int:
        """Send it SIGTERM; its exit code. It is killed if it takes too long."""
        if self.alive:
            self.send_signal(signal.SIGTERM)
        return self.end(seconds=seconds)

    def end(self, *, seconds: float = _STOP_SECONDS) -> int:
        """Wait until one that was told to end has done so; its exit code. It is killed if it takes too long."""
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def output(self) -> str:
        """The end of what it has printed."""
        return self.log.read_text(errors="replace")[-_TAIL_CHARACTERS:]

    def cpu_seconds(self) -> float:
        """The user and system time of all its threads since its start."""
        times = self._seen().cpu_times()
        return times.user + times.system

    def rss_kib(self) -> int:
        """Its resident memory. The kernel's own buffers of its sockets are not in it."""
        return self._seen().memory_info().rss // 1024

    def _seen(self) -> psutil.Process:
        if self._child is None:
            raise ProcessError(f"{self.log.name}: it was never started")
        return psutil.Process(self._child.pid)
