"""What the tests of the command line share: commands as processes, and a client to see what they did.

The processes are forked (tests/forking). Real ones are those of which just that is tested, or which are started by
something else: what test_forking.py compares with; the console script and its completion, which bash runs
(test_cli_config.py); what a command imports (there too); apps.simulator, with an environment of its own
(simulator/test_command.py); one with a bound on its files (simulator/test_log.py); the servers and simulators that
`demo` and `dev` start themselves; and any with another Python setting or locale.
"""

import concurrent.futures
import contextlib
import gc
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from tests.forking.processes import COMMAND, begin, finished
from tests.integration.people import PASSWORD

from chat4all_devtools.server import Server

DEADLINE: Final = 60.0  # seconds until a process must have done what it was started for


def command(*arguments: str | Path) -> list[str]:
    """The command line of `chat4all` with these arguments."""
    return [*COMMAND, *map(str, arguments)]


def surroundings(**variables: str) -> dict[str, str]:
    """The environment of a command: this process's, without settings that it may have, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHAT4ALL_")}
    return {**kept, **variables}


def chat4all(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, within: float = DEADLINE
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return finished(command(*arguments), text=True, env=surroundings(**(environment or {})), timeout=within)


def together(runs: Mapping[str, Callable[[], subprocess.CompletedProcess[str]]]) -> Mapping[str, Any]:
    """Run commands that do not mind each other two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(runs, pool.map(lambda run: run(), runs.values()), strict=True))


def said(*arguments: str | Path) -> str:
    """What a command that succeeds prints."""
    done = chat4all(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def refused_in_json(done: subprocess.CompletedProcess[str], code: int = 1) -> dict[str, Any]:
    """What a command that is refused says with --json: one object on standard error, and nothing else."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    found: dict[str, Any] = json.loads(done.stderr)
    assert set(found) == {"error", "status"}
    return found


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that is refused says on standard error, on one line; it says nothing else."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    sentence = " ".join(done.stderr.split())
    assert sentence.startswith("chat4all: "), done.stderr
    assert len(sentence) < 500, "a sentence"
    return sentence


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition. Fails after the deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


class Running:
    """A command that goes on, its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def shows(self, *texts: str) -> None:
        """Wait until all of this is in its output."""
        eventually(lambda: all(text in self.output for text in texts), f"{texts} in {self.output!r}")

    def ends(self, how: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and wait for the exit code."""
        if how is not None:
            self.process.send_signal(how)
        return self.process.wait(DEADLINE)


@contextlib.contextmanager
def going_on(output: Path, *arguments: str | Path, **variables: str) -> Iterator[Running]:
    """A command that goes on; killed at the end if it still does."""
    with (
        output.open("wb") as file,
        begin(
            command(*arguments), stdout=file, stderr=file, env=surroundings(**variables), start_new_session=True
        ) as process,
    ):
        try:
            yield Running(process, output)
        finally:
            process.kill()


@contextlib.contextmanager
def serving(folder: Path, **variables: str) -> Iterator[Server]:
    """A server on this folder's data; killed at the end if it still runs."""
    server = Server(folder / "data", folder / "server.log", variables, popen=begin)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        gc.collect()  # what was left open is blamed on who did it


def log_of(server: Server) -> Path:
    """The file of all that it puts out."""
    return server.process.log


@contextlib.contextmanager
def client(url: str, username: str = "ana", password: str = "demo") -> Iterator[httpx.Client]:
    """REST as this user."""
    with httpx.Client(base_url=url, trust_env=False, timeout=DEADLINE) as http:
        answer = http.post("/token", data={"username": username, "password": password})
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield http


def registered(http: httpx.Client, *usernames: str) -> None:
    """Make users, whose password is `PASSWORD`."""
    for username in usernames:
        answer = http.post("/v1/users", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 201, answer.text


def chat_with_bruno(http: httpx.Client) -> str:
    """A new conversation with bruno."""
    return str(http.post("/v1/conversations", json={"members": ["bruno"]}).json()["conversation_id"])


def posted(http: httpx.Client, chat: str, *texts: str) -> str:
    """Post these; the last one's id once it is stored."""
    for text in texts:
        message = http.post("/v1/messages", json={"chat_id": chat, "content": text}).json()["message_id"]
    stored(http, message)
    return str(message)


def stored(http: httpx.Client, message: str) -> dict[str, Any]:
    """A message once it is stored."""
    eventually(lambda: http.get(f"/v1/messages/{message}").status_code == 200, f"{message} is stored")
    found: dict[str, Any] = http.get(f"/v1/messages/{message}").json()
    return found


def address(dev: Running) -> str:
    """Where a dev listens, once it is ready."""
    dev.shows("Chat4All: http://localhost:")
    found = re.search(r"^Chat4All: http://localhost:(\d+)$", dev.output, re.MULTILINE)
    assert found
    url = f"http://127.0.0.1:{found[1]}"
    eventually(lambda: is_ready(url), "it is ready")
    return url


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
