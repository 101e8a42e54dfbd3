"""A server of one's own: `chat4all dev` in a process that can be killed and started again on the same data."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from chat4all.client import AnswerError
from chat4all_devtools.ports import free_port

# Deadlines are for faults: a machine may be ten times slower than usual.
_STARTS: Final = 300.0  # seconds; a process that has ended is not waited for
_STOPS: Final = 120.0  # seconds until one that was told to end is killed
_ANSWERS: Final = 60.0  # seconds that one answer may take


class Running(Protocol):
    """A system that can be killed and started again on the same data, in however many processes."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def about(self) -> str:
        """How it runs, for a person."""
        ...

    def set(self, **environment: str) -> None:
        """Settings from its next start on."""
        ...

    def start(self) -> None:
        """Start it and wait until it is ready. Raises AnswerError."""
        ...

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        ...

    def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything."""
        ...

    def post_and_kill(self, token: str, body: object) -> str | None:
        """Post a message and kill it the moment the 202 is here; the message's id, None without a 202."""
        ...


class Server:
    """`environment`: more settings; `log`: where its output goes; `program`: the module to run, and what stands before
    the command; `popen`: starts a process, as subprocess.Popen does."""

    about: Final = "in a process of its own, on SQLite files"

    def __init__(
        self,
        data: Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = ("chat4all",),
        popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._data = data
        self._log = log
        self._program = program
        self._popen = popen
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def set(self, **environment: str) -> None:
        """Settings from its next start on."""
        self._environment |= environment

    def start(self) -> None:
        """Start it and wait until it is ready. Raises AnswerError with the end of its output."""
        command = [sys.executable, "-m", *self._program, "dev", "--no-simulator"]
        command += ["--port", str(self.port), "--data", str(self._data)]
        with self._log.open("ab") as log:
            self._process = self._popen(command, stdout=log, stderr=log, env=self._environment, start_new_session=True)
        deadline = time.monotonic() + _STARTS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-2000:]
                self.kill()
                raise AnswerError(f"The server did not start:\n{tail}")
            time.sleep(0.02)  # between looks, until the deadline

    def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(_STOPS)

    def stop(self) -> int:
        """SIGTERM, and its exit code; killed if it takes too long."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(_STOPS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def post_and_kill(self, token: str, body: object) -> str | None:
        """Post a message and kill the server the moment its 202 is here; the message's id, None without a 202."""
        return posted(self.port, token, body, then=self.kill)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWERS)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def posted(port: int, token: str, body: object, *, then: Callable[[], None]) -> str | None:
    """Post a message, and do something the moment its answer is here; the message's id, None without a 202."""
    payload = json.dumps(body).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWERS) as connection:
        connection.sendall(head.encode() + payload)
        answer = b""
        while not answer.endswith(b"}") and (more := connection.recv(65_536)):
            answer += more
        then()
    if not answer.startswith(b"HTTP/1.1 202"):
        return None
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["message_id"])
