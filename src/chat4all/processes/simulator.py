"""A simulator of one's own: `python -m chat4all_simulator` in a process that ends with this one."""

import contextlib
import json
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx

from chat4all.model.errors import StartError

# Deadlines are for faults: a machine may be ten times slower than usual.
_START_SECONDS: Final = 300.0  # a process that has ended is not waited for
_STOP_SECONDS: Final = 60.0  # until one that was told to end is killed


@contextlib.contextmanager
def simulating(port: int, data: Path, log: Path, *, fresh: bool = False) -> Iterator[str]:
    """The address of a simulator: of the one that runs on this port already, else of one that ends with this.

    Its output goes to `log`; `fresh`: one of ours forgets what it kept. Raises StartError.
    """
    there = f"http://localhost:{port}"
    if port and _is_simulator(there):
        yield there
        return
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    process = _started(port, data, log, fresh=fresh)
    try:
        yield _address(process, log)
    finally:
        _end(process)


def _started(port: int, data: Path, log: Path, *, fresh: bool) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl+C is for us. It ends when its standard input does, however we end."""
    command = [sys.executable, "-m", "chat4all_simulator", "--json", "--attached"]
    command += ["--port", str(port), "--data", str(data), *(["--fresh"] if fresh else [])]
    pipe = subprocess.PIPE
    with log.open("wb") as errors:
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, start_new_session=True)  # noqa: S603 - our own command, and no shell


def _is_simulator(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/control/telegram/bots", timeout=1, trust_env=False)
        return answer.status_code == 200 and isinstance(answer.json(), list)
    except (httpx.HTTPError, ValueError):
        return False


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address, which the simulator prints first. Raises StartError where it prints nothing."""
    pipes = [process.stdout] if process.stdout is not None else []
    ready, _, _ = select.select(pipes, [], [], _START_SECONDS)
    line = b"".join(pipe.readline() for pipe in ready)
    if not line:
        said = log.read_text(errors="replace")[-1000:].strip()
        raise StartError(f"The simulator did not start: {said or 'it said nothing'}. Without it: --no-simulator")
    return str(json.loads(line)["url"])


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
