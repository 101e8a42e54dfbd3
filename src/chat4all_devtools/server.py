"""A server of one's own: `chat4all dev` in a process that can be killed and started again on the same data."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from chat4all.client import AnswerError
from chat4all_devtools.ports import free_port
from chat4all_devtools.process import Popen, Process, ProcessError

# Deadlines are for faults: a machine may be ten times slower than usual.
_START_SECONDS: Final = 300.0  # a process that has ended is not waited for
_ANSWER_SECONDS: Final = 60.0


class Running(Protocol):
    """A system that can be killed and started again on the same data, in however many processes."""

    @property
    def url(self) -> str:
        """The address at which it is reached."""
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
        """Send it SIGTERM and wait; its exit code."""
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
        popen: Popen = subprocess.Popen,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", *program, "dev", "--no-simulator", "--port", str(self.port)]
        self.data = data
        self.process = Process([*command, "--data", str(data)], log, {**os.environ, **(environment or {})}, popen)

    def set(self, **environment: str) -> None:
        """Settings from its next start on."""
        self.process.environment |= environment

    def start(self) -> None:
        """Start it and wait until it is ready. Raises AnswerError with the end of its output."""
        self.process.start()
        try:
            self.process.wait_until(lambda: is_ready(self.port), seconds=_START_SECONDS)
        except ProcessError as error:
            self.kill()
            raise AnswerError(str(error)) from error

    def kill(self) -> None:
        """SIGKILL: it gets no chance to finish anything."""
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM, and its exit code; killed if it takes too long."""
        return self.process.stop()

    def post_and_kill(self, token: str, body: object) -> str | None:
        """Post a message and kill the server the moment its 202 is here; the message's id, None without a 202."""
        return posted(self.port, token, body, then=self.kill)


def is_ready(port: int) -> bool:
    """Whether the process with its health on this port says that it can work."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
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
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(head.encode() + payload)
        answer = b""
        while not answer.endswith(b"}") and (more := connection.recv(65_536)):
            answer += more
        then()
    if not answer.startswith(b"HTTP/1.1 202"):
        return None
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["message_id"])
