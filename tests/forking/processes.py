"""Processes of `chat4all` as children of the forkserver, wherever that makes no difference.

`begin` is `subprocess.Popen`, and `finished` is `subprocess.run`, to whoever calls them.
"""

import atexit
import functools
import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-m", "chat4all")

_OURS: Final = ("CHAT4ALL_", "PYTEST_")  # a command reads them when it runs, or not at all; others an import may read
_MEASURED: Final = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")  # only a real process is measured


class Forkserver:
    """The process that forks; it is started when it is first needed and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    @functools.cached_property
    def environment(self) -> dict[str, str]:
        """What it runs with, and so what its imports may have read."""
        return _read_by_imports(os.environ)

    def is_like(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment is the same, forked or not."""
        return _read_by_imports(environment) == self.environment and not any(map(environment.get, _MEASURED))

    def order(self, what: object, streams: Sequence[int]) -> int:
        """Have a command run; a socket from which its pid can be read and, when it has ended, its exit code."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            if self._control is None:
                self._control = self._started()
            socket.send_fds(self._control, [json.dumps(what).encode()], [*streams, theirs.fileno()])
        return ours.detach()

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking.server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self.environment,
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(process.wait)
        atexit.register(ours.close)  # it is called first, and tells the process to end
        return ours


def _read_by_imports(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith(_OURS)}


_forkserver: Final = Forkserver()


class Forked(subprocess.Popen[Any]):
    """`chat4all` with these arguments. Its start and its end are not subprocess's, all else is."""

    _ended = -1

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, session: bool = False, **streams: Any
    ) -> None:
        self._order = (list(arguments), dict(environment), str(Path.cwd()), session)
        super().__init__([*COMMAND, *arguments], **streams)

    def __del__(self) -> None:
        super().__del__()
        if self._ended >= 0 and self.returncode is not None:
            os.close(self._ended)

    def _execute_child(self, *given: Any) -> None:
        pipes = child_in, _, _, child_out, _, child_err = given[10:16]
        try:
            inherited = (number if file == -1 else file for number, file in enumerate((child_in, child_out, child_err)))
            self._ended = _forkserver.order(self._order, list(inherited))
            self.pid = self._told()
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined] # subprocess's own

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        return self._code(0)

    def _wait(self, timeout: float | None) -> int:
        code = self._code(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def _code(self, timeout: float | None) -> int | None:
        """Its exit code. Several threads may ask at once, so the socket stays open when it has been read."""
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            with self._waitpid_lock:  # type: ignore[attr-defined] # subprocess's own
                if self.returncode is None:
                    self.returncode = self._told()
        return self.returncode

    def _told(self) -> int:
        told = os.read(self._ended, 32)
        assert told, "the forkserver is gone; what it said is on standard error"
        return int(told)


def begin(
    words: Sequence[str], *, env: Mapping[str, str] | None = None, start_new_session: bool = False, **streams: Any
) -> subprocess.Popen[Any]:
    """Start a process, forked if it is `python -m chat4all` in this process's environment but for settings."""
    environment = os.environ if env is None else env
    if tuple(words[:3]) == COMMAND and _forkserver.is_like(environment):
        return Forked(words[3:], environment, session=start_new_session, **streams)
    return subprocess.Popen(words, env=env, start_new_session=start_new_session, **streams)


def finished(
    words: Sequence[str], *, timeout: float, typed: str | bytes | None = None, **options: Any
) -> subprocess.CompletedProcess[Any]:
    """Run a process to its end, its output kept; `typed`: what it can read."""
    pipe = subprocess.PIPE
    stdin = subprocess.DEVNULL if typed is None else pipe
    with begin(words, stdin=stdin, stdout=pipe, stderr=pipe, **options) as process:
        try:
            out, err = process.communicate(typed, timeout=timeout)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(words, process.wait(), out, err)
