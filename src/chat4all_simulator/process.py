"""The simulator's process: it listens, takes over what its log tells, serves and stops."""

import asyncio
import contextlib
import fcntl
import functools
import os
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
import uvloop

from chat4all_simulator import app as web
from chat4all_simulator.clock import Clock
from chat4all_simulator.faults.script import Script
from chat4all_simulator.http.connection import Connection
from chat4all_simulator.http.exchange import Answer, Request
from chat4all_simulator.journal import Journal, JournalError
from chat4all_simulator.provider import Provider
from chat4all_simulator.settings import SimulatorSettings
from chat4all_simulator.telegram.provider import Telegram


class StartError(Exception):
    """The simulator cannot start or go on; the text says why and what to do."""


class Reception:
    """Hands each request to the provider whose path it is. Implements `chat4all_simulator.http.exchange.Desk`."""

    def __init__(self, providers: Sequence[Provider], journal: Journal) -> None:
        self._providers = providers
        self._journal = journal

    def serves(self, target: bytes) -> bool:
        """Say whether a provider answers at this path. Implements `Desk.serves`."""
        return any(provider.serves(target) for provider in self._providers)

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Have the provider of its path answer a request. Implements `Desk.handle`."""
        return next(one for one in self._providers if one.serves(request.target)).handle(request)

    def flush(self) -> None:
        """Write what the log still holds to its file. Implements `Desk.flush`."""
        self._journal.flush()

    def left(self, connection: str) -> None:
        """Note in the log that a connection was closed. Implements `Desk.left`."""
        self._journal.note("closed", connection=connection)


class Stop:
    """Handles SIGTERM and SIGINT before uvicorn does, and after: uvicorn raises them again at its end, before the log
    is closed. See capture_signals in https://github.com/encode/uvicorn/blob/main/uvicorn/server.py"""

    def __init__(self) -> None:
        self._is_requested = False
        self._server: uvicorn.Server | None = None

    def watch(self, server: uvicorn.Server) -> None:
        """End this server when a signal comes; at once if one has come before."""
        self._server = server
        server.should_exit = self._is_requested

    def __call__(self, *_: object) -> None:
        self._is_requested = True
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's server, which sets `closing` when a signal comes, so that streams end: they do not by themselves."""

    def __init__(self, config: uvicorn.Config, closing: asyncio.Event) -> None:
        super().__init__(config)
        self._closing = closing
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Implements `uvicorn.Server.handle_exit`."""
        self._loop.call_soon_threadsafe(self._closing.set)
        super().handle_exit(sig, frame)


class Simulator:
    """The log, the faults, the clock and the providers, on one data folder."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.clock = Clock()
        self.journal = Journal(settings.data / "log.jsonl", self.clock)
        self.script = Script(self.journal, settings.seed)
        self.providers: list[Provider] = [Telegram(settings, self.journal, self.script, self.clock)]
        self._hosts = settings.hosts

    async def serve(self, listening: socket.socket, stop: Stop) -> None:
        """Serve until told to stop. Raises StartError if the log cannot be written, or a file does not fit it."""
        run = secrets.token_hex(3)
        self.journal.note("started", run=run)
        try:
            for provider in self.providers:
                provider.start()
        except JournalError as error:
            raise StartError(str(error)) from error
        closing = asyncio.Event()
        app = web.build(self.providers, self.journal, self.script, self.clock, self._hosts)
        app.state.closing = closing
        desk = Reception(self.providers, self.journal)
        config = uvicorn.Config(
            app,
            http=functools.partial(Connection, desk, run),  # type: ignore[arg-type] # called as the class would be
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,  # streams do not end by themselves
        )
        server = _Server(config, closing)
        stop.watch(server)
        log_failure = asyncio.create_task(self.journal.broken.wait())
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await asyncio.wait({log_failure, serving}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        log_failure.cancel()
        for provider in self.providers:
            await provider.stop()
        await self._close()

    def replay(self) -> None:
        """Take over what the log tells, before serving. Raises StartError if it cannot be read or makes no sense."""
        try:
            self._replay()
        except JournalError as error:
            raise StartError(f"{error} Fix or remove that file, or start clean with --fresh.") from error
        except (msgspec.ValidationError, KeyError, ValueError) as error:
            where = f"{self.journal.path}, line {self.journal.last}"
            raise StartError(f"{where} cannot be used: {error}. Start clean with --fresh.") from error

    def _replay(self) -> None:
        for entry in self.journal.load():
            if entry["what"] == "clock":
                self.clock.ahead = entry["ahead"]
            self.script.replay(entry)
            for provider in self.providers:
                provider.replay(entry)

    async def _close(self) -> None:
        if self.journal.broken.is_set():
            path = self.journal.path
            raise StartError(f"The log {path} could not be written, so nothing more was answered. Is the disk full?")
        with contextlib.suppress(JournalError):
            self.journal.close()


def listen(settings: SimulatorSettings) -> socket.socket:
    """Return a listening socket for the address of the settings. Raises StartError if it cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Is a simulator running already? "
            "Choose another port with CHAT4ALL_SIMULATOR__PORT=8021."
        ) from error
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
    return listening


def run(settings: SimulatorSettings, on_start: Callable[[str, Path], None], *, fresh: bool = False) -> None:
    """Run until SIGINT or SIGTERM; call `on_start` with the address and the log's path once both are this process's.

    `fresh`: forget what the data folder holds first. Raises StartError.
    """
    os.umask(0o077)  # what is kept is for this user alone
    with listen(settings) as listening, _claimed(settings.data) as folder:
        if fresh:
            _clear(folder)
        try:
            simulator = Simulator(settings)
        except JournalError as error:
            raise StartError(f"{error} Fix or remove that file, or start clean with --fresh.") from error
        simulator.replay()
        host, port = listening.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        with _stoppable() as stop:
            on_start(f"http://{'localhost' if host == '127.0.0.1' else host}:{port}", simulator.journal.path)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(simulator.serve(listening, stop))


@contextlib.contextmanager
def _stoppable() -> Iterator[Stop]:
    stop = Stop()
    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[Path]:
    """Keep the folder for this process alone until it ends, however it ends. Raises StartError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"{folder} cannot be used: {error.strerror}. Choose another with --data.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError as error:
        raise StartError(
            f"Another simulator runs on {folder}. Stop it, or choose another folder with --data."
        ) from error
    finally:
        os.close(lock)


def _clear(folder: Path) -> None:
    for name in ("log.jsonl", "telegram.json"):
        (folder / name).unlink(missing_ok=True)
