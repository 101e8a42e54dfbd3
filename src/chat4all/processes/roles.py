"""The roles of distributed mode, a process each: engines, loops, servers, and an end in the reverse order."""

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from chat4all.accounts.keys import Keyring
from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.accounts.tokens import Tokens
from chat4all.api import app as api_app
from chat4all.api import health, hooks, internal
from chat4all.api.health import Operations
from chat4all.connectors.supervisor import Connecting, registration
from chat4all.gateway.endpoint import Endpoint
from chat4all.gateway.hub import Gateway
from chat4all.model.errors import EngineUnavailableError, Refusal, StartError
from chat4all.processes import parts, runtime, schema
from chat4all.processes.config import Settings
from chat4all.processes.distributed import Distributed
from chat4all.processes.embedded import check_loopback
from chat4all.processes.parts import Parts
from chat4all.processes.runtime import Loops, Server

_log = logging.getLogger(__name__)

_AGAIN: Final = 1.0  # seconds between looks whether what is needed is there
_HOUR: Final = 3600.0


class Process:
    """One process of a role. `ready`: what is wrong, by name; None: it is well."""

    def __init__(self, role: str, settings: Settings) -> None:
        self.settings = settings
        self.on = Distributed(settings, role)
        self.loops = Loops()
        self.holder = f"{role} {socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}"[:64]
        self.checks: dict[str, Callable[[], str | None]] = {}
        self.status: Callable[[], Mapping[str, Any]] = dict
        self.waits: str | None = "it has only just started"

    def operations(self) -> Operations:
        """What may be asked of it."""
        return Operations(self.on.metrics, self.ready, self.loops.live, self._status)

    def _status(self) -> Mapping[str, Any]:
        return self.status()

    def ready(self) -> Mapping[str, str | None]:
        """Once everything was there, engines that go away later change nothing: answers then say so themselves."""
        own = {name: check() for name, check in self.checks.items()}
        return {**self.loops.live(), "engines": self.waits, **own}

    async def engines(self) -> int:
        """Wait until everything is there that `migrate` makes; the log's epoch. Raises StartError."""
        while True:
            try:
                epoch = await schema.check(self.on)
            except (schema.NotYetError, EngineUnavailableError) as error:
                if str(error) != self.waits:
                    _log.warning("Waiting: %s", error)
                self.waits = str(error)
                await asyncio.sleep(_AGAIN)
            else:
                self.waits = None
                return epoch

    def tokens(self) -> Tokens:
        """Who signs and verifies tokens. Raises StartError."""
        accounts = self.settings.accounts
        if accounts.keys_dir is None:
            raise StartError("Every process needs the same keys: set CHAT4ALL_ACCOUNTS__KEYS_DIR.")
        if accounts.demo:
            check_loopback(self.settings.server.host, "CHAT4ALL_ACCOUNTS__DEMO is set and CHAT4ALL_SERVER__HOST")
        return Tokens(Keyring.load(accounts.keys_dir, accounts.signing_key), accounts)


Role = Callable[[Process], contextlib.AbstractAsyncContextManager[None]]


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A port of this process."""
    return runtime.listen(host, port, variable)


@contextlib.asynccontextmanager
async def api(process: Process) -> AsyncIterator[None]:
    """REST, the internal API, and the outbox's relay."""
    settings, on = process.settings, process.on
    made = Parts(on, settings, process.tokens(), holder=process.holder)
    public = listen(settings.server.host, settings.server.port, "CHAT4ALL_SERVER__PORT")
    port = 8002 if settings.internal.port is None else settings.internal.port
    beside = listen(settings.internal.host, port, "CHAT4ALL_INTERNAL__PORT")
    if settings.internal.token_file is None:
        raise StartError("The internal API needs its tokens: set CHAT4ALL_INTERNAL__TOKEN_FILE.")
    inside = internal.create(registration(on), SharedTokens(settings.internal.token_file))
    app = api_app.create(made.services(process.operations(), hooks=_no_hooks), on.traces)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(made.passwords.close)
        await process.engines()
        process.loops.start("outbox", made.relay.run())
        process.loops.start("events", _forget(on))
        await stack.enter_async_context(Server(runtime.plain_config(inside)).serving(beside))
        config = runtime.server_config(app, None, settings.server)
        await stack.enter_async_context(Server(config).serving(public))
        yield


@contextlib.asynccontextmanager
async def gateway(process: Process) -> AsyncIterator[None]:
    """WebSockets."""
    settings, on = process.settings, process.on
    made = Parts(on, settings, process.tokens(), holder=process.holder)
    hub = Gateway(on.realtime, made.gateway_ports())
    websockets = Endpoint(hub, made.tokens)
    public = listen(settings.server.host, settings.gateway.port, "CHAT4ALL_GATEWAY__PORT")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(made.passwords.close)
        await process.engines()
        process.loops.start("gateway", hub.run())
        process.loops.start("websockets", websockets.run())
        app = health.create(process.operations())
        config = runtime.server_config(app, websockets, settings.server)
        await stack.enter_async_context(Server(config).serving(public))
        stack.callback(hub.drain)
        yield


@contextlib.asynccontextmanager
async def router(process: Process) -> AsyncIterator[None]:
    """Sequences, stores, tells."""
    epoch = await process.engines()
    made = parts.router(process.on, process.settings, epoch)
    process.checks["partitions"] = lambda: "; ".join(made.stopped.values()) or None
    process.loops.start("router", made.run(), ends=made.end)
    yield


@contextlib.asynccontextmanager
async def connector(process: Process) -> AsyncIterator[None]:
    """The connectors of files, of TELEGRAM_TOKEN, of a simulator."""
    settings, on = process.settings, process.on
    connecting = Connecting(on, settings.channels, holder=process.holder, told=_nobody)
    process.status = connecting.status
    public = listen(settings.server.host, settings.channels.port, "CHAT4ALL_CHANNELS__PORT")
    await process.engines()
    await _until_there(connecting.register)
    process.loops.start("connectors", connecting.run())
    async with Server(runtime.plain_config(hooks.create(connecting.receive))).serving(public):
        yield


ROLES: Final[Mapping[str, Role]] = {"api": api, "gateway": gateway, "router": router, "connector": connector}


async def run(name: str, settings: Settings) -> None:
    """Run a role until it is told to stop. Raises StartError; RuntimeError if a loop ended."""
    process = Process(name, settings)
    operations = settings.operations
    beside = listen(operations.host, operations.port, "CHAT4ALL_OPERATIONS__PORT")
    # Signals are heard to the end: a second one ends what takes too long to end.
    with runtime.told_to_stop() as stop:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(process.on.close)
            await stack.enter_async_context(
                Server(runtime.plain_config(health.create(process.operations()))).serving(beside)
            )
            stack.push_async_callback(process.loops.stop, seconds=settings.server.drain_seconds)
            begun = asyncio.create_task(stack.enter_async_context(ROLES[name](process)))
            await runtime.first(begun, stop)
            if not begun.cancelled():
                begun.result()
                print(f"{name}: ready, {beside.getsockname()[1]} for health and metrics", flush=True)  # noqa: T201 - its welcome
                await runtime.first(asyncio.ensure_future(process.loops.ended()), stop)
    if process.loops.broken:
        raise RuntimeError("A loop ended; the log says which and why.")


async def _until_there(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            return await work()
        except EngineUnavailableError as error:
            _log.warning("Waiting: %s", error)
            await asyncio.sleep(_AGAIN)


async def _forget(on: Distributed) -> None:
    """Once an hour, events of providers that are too old to be told again."""
    while True:
        try:
            await on.channels.forget_events(before=parts.told_before())
        except EngineUnavailableError as error:
            _log.warning("Old events stay for now: %s", error)
        await asyncio.sleep(_HOUR)


async def _no_hooks(channel: str, uid: str, headers: Mapping[str, str], body: bytes) -> None:
    _ = channel, uid, headers, body
    raise Refusal("not-found", "Providers post to connectors, not here.")


def _nobody() -> None:
    """The outbox is another process's, which looks by itself."""
