"""Running a process: loops that must turn, an HTTP server, and an end that leaves nothing behind."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from starlette.applications import Starlette
from starlette.types import ASGIApp

from chat4all.api.lane import Lane
from chat4all.futures import cancelled
from chat4all.gateway.endpoint import Endpoint
from chat4all.model.errors import StartError
from chat4all.processes.config import ServerSettings
from chat4all.telemetry.traces import Traces

_log = logging.getLogger(__name__)


class Loops:
    """Named tasks that are to run for ever. One that ends is a fault: the process is not live any more, and stops."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, Callable[[], None]] = {}
        self._ended = asyncio.Event()
        self._stopping = False

    def start(self, name: str, loop: Coroutine[Any, Any, None], *, ends: Callable[[], None] | None = None) -> None:
        """Run it until `stop`. `ends`: asks it to come to its end when it has done what it is at."""
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._note)
        self._tasks[name] = task
        if ends is not None:
            self._ends[name] = ends

    @property
    def broken(self) -> bool:
        """Whether a loop has ended by itself."""
        return self._ended.is_set()

    def live(self) -> Mapping[str, str | None]:
        """What is wrong with each loop; None: it turns."""
        return {name: "it ended" if task.done() else None for name, task in self._tasks.items()}

    async def ended(self) -> None:
        """Returns when a loop has ended by itself."""
        await self._ended.wait()

    async def stop(self, *, seconds: float = 0.0) -> None:
        """End them all, the last started first; each that can gets so many seconds to finish what it is at."""
        self._stopping = True
        for name, task in reversed(self._tasks.items()):
            if name in self._ends and seconds:
                self._ends[name]()
                await asyncio.wait({task}, timeout=seconds)
            if not await cancelled(task):
                _log.critical("Loop %s does not end, and is left", name)
        self._tasks.clear()

    def _note(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (self._stopping and task.exception() is None):
            return
        _log.critical("Loop %s ended", task.get_name(), exc_info=task.exception())
        self._ended.set()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A bound socket, so that a port that is taken is known before anything starts. Raises StartError.

    `variable`: what sets another port.
    """
    try:
        bound = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Is it running already? Another port: {variable}=0"
        ) from error
    bound.setblocking(False)
    # Accepted sockets inherit it. asyncio sets it itself only where the socket says proto=TCP, which this one does not:
    # _set_nodelay in https://github.com/python/cpython/blob/v3.11.7/Lib/asyncio/base_events.py. Without it an answer
    # waits 40 ms for the client's acknowledgement.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound


class Server(uvicorn.Server):
    """A server that lasts as long as a context: signals are somebody else's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield

    @contextlib.asynccontextmanager
    async def serving(self, listening: socket.socket) -> AsyncIterator[None]:
        """While this lasts; at its end requests that are being answered are finished."""
        task = asyncio.create_task(self.serve(sockets=[listening]))
        try:
            yield
        finally:
            self.should_exit = True
            await task


def plain_config(app: FastAPI | Starlette) -> uvicorn.Config:
    """How a server is run that few ask."""
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False, lifespan="off", server_header=False)
    config.timeout_graceful_shutdown = 1
    return config


def server_config(app: FastAPI | Starlette, websockets: Endpoint | None, settings: ServerSettings) -> uvicorn.Config:
    """How the HTTP server is run; what asks to become a WebSocket is handed to `websockets`, if there are any."""
    return uvicorn.Config(
        _traced(Lane(app), app.state.traces) if isinstance(app, FastAPI) else app,
        http="httptools",
        # called as the class would be that it says it takes
        ws=websockets.accept if websockets else "none",  # type: ignore[arg-type] # see above
        log_config=None,
        access_log=False,
        lifespan="off",
        # Clients keep an idle line for some seconds, most of them five: whoever closes it first must not be the server,
        # or a request that is on its way then is lost, and the client cannot know whether it was done.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.drain_seconds,
        server_header=False,
        proxy_headers=False,  # who the client is, his token says; addresses are nobody's business here
    )


def _traced(app: ASGIApp, traces: Traces) -> ASGIApp:
    """Every request is a part of its client's trace, or begins one."""
    if traces.provider is None:
        return app
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware  # noqa: PLC0415 - it is not always installed

    # `receive` and `send` would be spans of their own for each part of a body.
    traced: ASGIApp = OpenTelemetryMiddleware(
        app, tracer_provider=traces.provider, meter_provider=NoOpMeterProvider(), exclude_spans=["receive", "send"]
    )
    return traced


async def serve(
    app: FastAPI, websockets: Endpoint, listening: socket.socket, loops: Loops, settings: ServerSettings
) -> None:
    """Serve until SIGINT or SIGTERM; open WebSockets are then closed with 1012. Raises RuntimeError if a loop ended."""
    server = uvicorn.Server(server_config(app, websockets, settings))
    with _terminable():
        watching = asyncio.create_task(loops.ended())
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await asyncio.wait({watching, serving}, return_when=asyncio.FIRST_COMPLETED)
        broken = watching.done()
        watching.cancel()
        server.should_exit = True
        await serving
    if broken:
        raise RuntimeError("A loop ended; the log says which and why.")


@contextlib.contextmanager
def told_to_stop() -> Iterator[asyncio.Future[None]]:
    """Done at the first SIGINT or SIGTERM; a second one ends the process at once, whatever it is at."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def tell(number: signal.Signals) -> None:
        if told.done():
            _log.critical("A second signal: ended at once")
            os._exit(128 + number)
        _log.warning("Told to stop: no new work, what is under way is finished; a second signal ends at once")
        told.set_result(None)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    try:
        yield told
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def first(one: asyncio.Future[Any], other: asyncio.Future[Any]) -> None:
    """Wait until one of the two is done; the first one is then cancelled, if it is not."""
    await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
    if not one.done():
        one.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """After its shutdown uvicorn raises the signal again that caused it, which would end us before our engines close:
    capture_signals in https://github.com/encode/uvicorn/blob/main/uvicorn/server.py"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
