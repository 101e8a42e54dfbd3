"""HTTP servers of a process: bound sockets, how a server is run on one, and its end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI
from opentelemetry.metrics import NoOpMeterProvider
from starlette.applications import Starlette
from starlette.types import ASGIApp

from chat4all.api.lane import Lane
from chat4all.gateway.endpoint import Endpoint
from chat4all.processes.config import ServerSettings
from chat4all.telemetry.traces import Traces


class _Server(uvicorn.Server):
    """A server that lasts as long as a context: signals are somebody else's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process: see chat4all.processes.signals."""
        yield


@contextlib.asynccontextmanager
async def plain(app: FastAPI | Starlette, bound: socket.socket) -> AsyncIterator[None]:
    """Serve an application that few ask, while this lasts."""
    config = uvicorn.Config(app, ws="none", log_config=None, access_log=False, lifespan="off", server_header=False)
    config.timeout_graceful_shutdown = 1
    async with _serving(config, bound):
        yield


@contextlib.asynccontextmanager
async def public(
    app: FastAPI | Starlette, websockets: Endpoint | None, bound: socket.socket, settings: ServerSettings
) -> AsyncIterator[None]:
    """Serve an application while this lasts; what asks to become a WebSocket is handed to `websockets`, if there are
    any. At the end requests that are being answered are finished, for a time."""
    config = uvicorn.Config(
        _traced(Lane(app), app.state.traces) if isinstance(app, FastAPI) else app,
        http="httptools",
        # called as the class would be that it says it takes
        ws=websockets.accept if websockets else "none",  # type: ignore[arg-type] # a function that makes it
        log_config=None,
        access_log=False,
        lifespan="off",
        # Clients keep an idle line for some seconds, most of them five: whoever closes it first must not be the server,
        # or a request that is on its way then is lost, and the client cannot know whether it was done.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.drain_seconds,
        server_header=False,
        proxy_headers=False,  # who the client is, their token says; addresses are nobody's business here
    )
    async with _serving(config, bound):
        yield


@contextlib.asynccontextmanager
async def _serving(config: uvicorn.Config, bound: socket.socket) -> AsyncIterator[None]:
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


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
