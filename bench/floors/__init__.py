"""The floors: for each measurement, the least that a program could do for the same. Each is a small process."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any

import uvloop

from bench import process
from bench.measurement import FaultError
from chat4all_devtools.ports import free_port

BACKLOG = 4096


@contextlib.asynccontextmanager
async def running(name: str, folder: Path, core: int | None, *options: str) -> AsyncIterator[process.Process]:
    """The floor of that name, ready; its output goes to a file in the folder."""
    port = free_port()
    command = [sys.executable, "-m", f"bench.floors.{name}", str(port), *options]
    async with process.running(command, port=port, log=folder / f"{name}.log", core=core) as child:
        yield child


async def measured(name: str, folder: Path, core: int | None, *options: str) -> dict[str, float]:
    """The figures of a floor that is no server: it measures itself and prints them. Raises FaultError."""
    log = folder / f"{name}.log"
    with log.open("wb") as output, process.on(core):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"bench.floors.{name}", *options), stdout=asyncio.subprocess.PIPE, stderr=output
        )
    said, _ = await child.communicate()
    if child.returncode:
        raise FaultError(f"{name} ended with {child.returncode}: {log.read_text(errors='replace')[-2000:]}")
    figures: dict[str, float] = json.loads(said)
    return figures


def tell(figures: Mapping[str, float]) -> None:
    """What a floor that measures itself has found, to whoever started it."""
    sys.stdout.write(json.dumps(figures))


def listen(port: int) -> socket.socket:
    """A listening socket on loopback. What it accepts sends at once, as the server under test does."""
    listening = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run(main: Coroutine[Any, Any, None]) -> None:
    """The floor's process: until it is told to stop, on uvloop as the server under test."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
