"""One process: its engines, the roles that it plays, its loops and servers, and an end in the reverse order."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import uvloop
from fastapi import FastAPI
from starlette.applications import Starlette

from chat4all.accounts.passwords import Passwords
from chat4all.api import health
from chat4all.api.health import Operations
from chat4all.api.services import Hooks  # noqa: TC001 - an annotation of an attribute
from chat4all.gateway.endpoint import Endpoint
from chat4all.model.errors import EngineUnavailableError, NotMigratedError, StartError
from chat4all.processes import addresses, installation, servers, signals
from chat4all.processes.addresses import Bound
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines
from chat4all.processes.loops import Loops
from chat4all.processes.roles import ROLES, ProcessRole
from chat4all.processes.services import Services

T = TypeVar("T")

_logger = logging.getLogger(__name__)

_REFRESH_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 1.0  # between looks whether what is needed is there


class Process:
    """`roles`: their names, in the order in which they start; `bound`: the sockets that they listen on, from
    `addresses.bind`; `passwords`: how those of users are hashed. From now on sockets and engines are its own to close.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        roles: Sequence[str],
        bound: Bound,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        self.engines = engines
        self.settings = settings
        self.loops = Loops()
        self.holder = engines.holder or _unique(roles)
        self.websockets: Endpoint | None = None  # of the gateway, if it is one of the roles
        self.hooks: Hooks | None = None  # of connectors, if they are
        self.on_outbox_change: Callable[[], None] = _nobody
        self.status: Callable[[], Mapping[str, Any]] = dict
        self.checks: dict[str, Callable[[], str | None]] = {}
        self._bound = bound
        self._passwords = passwords
        self._services: Services | None = None
        self._waits: str | None = "it has only just started"
        self._servers = contextlib.AsyncExitStack()
        self._names = roles
        self.roles: Mapping[str, ProcessRole] = {}  # while it runs

    @property
    def services(self) -> Services:
        """What the API and the gateway work with. Raises StartError."""
        if self._services is None:
            self._services = Services(self.engines, self.settings, holder=self.holder, passwords=self._passwords)
        return self._services

    @property
    def operations(self) -> Operations:
        """What may be asked of it by whoever runs it."""
        return Operations(self.engines.metrics, self.ready, self.loops.live, self._status)

    def _status(self) -> Mapping[str, Any]:
        return self.status()

    def ready(self) -> Mapping[str, str | None]:
        """What is wrong, by name; None: it is well. Once everything was there, engines that go away later change
        nothing: answers then say so themselves."""
        own = {name: check() for name, check in self.checks.items()}
        return {**self.loops.live(), "engines": self._waits, **own}

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Run until it is told to stop; the number of the signal that did. `on_ready` is called once it works.

        Raises StartError, EngineUnavailableError where the engines are its own; RuntimeError if a loop ended.
        """
        # Signals are heard to the end: a second one ends what takes too long to end.
        with signals.told_to_stop() as stop:
            async with contextlib.AsyncExitStack() as stack:
                starting = asyncio.create_task(stack.enter_async_context(self.running()))
                await signals.first(starting, stop)
                if not starting.cancelled():
                    starting.result()
                    # Modules and services stay: the garbage collector need not look at them again and again, which is a
                    # tenth of what accepting a message costs. https://docs.python.org/3/library/gc.html#gc.freeze
                    gc.collect()
                    gc.freeze()
                    on_ready()
                    await signals.first(asyncio.ensure_future(self.loops.ended()), stop)
        if self.loops.broken:
            raise RuntimeError("A loop ended; the log says which and why.")
        return stop.result()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts it works; at its end all is undone in the reverse order.

        Raises StartError for what the settings lack, EngineUnavailableError where the engines are its own.
        """
        async with contextlib.AsyncExitStack() as stack:
            for one in self._bound.values():
                stack.callback(one.close)
            stack.push_async_callback(self.engines.close)
            stack.callback(self._close_services)
            self.roles = {name: ROLES[name](self) for name in self._names}
            if addresses.OPERATIONS in self._bound:  # it can be asked how it is while it waits
                app = health.create(self.operations)
                await stack.enter_async_context(servers.plain(app, self._bound[addresses.OPERATIONS]))
            stack.push_async_callback(self.loops.stop, seconds=self.settings.server.drain_seconds)
            self.loops.start("credentials", self._refresh())
            epoch = await self._prepared()
            for role in self.roles.values():
                await role.start(epoch)
            await stack.enter_async_context(self._servers)
            for role in self.roles.values():
                await role.serve()
            yield

    async def until_there(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work when the engines are there. Raises EngineUnavailableError where they are this process's own."""
        while True:
            try:
                return await work()
            except EngineUnavailableError as error:
                if self.engines.exclusive:
                    raise
                _logger.warning("Waiting: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def serve(self, app: FastAPI | Starlette, address: str, websockets: Endpoint | None = None) -> None:
        """Serve an application, and WebSockets perhaps, on one of the bound sockets until the process ends."""
        server = servers.public(app, websockets, self._bound[address], self.settings.server)
        await self._servers.enter_async_context(server)
        if websockets is not None:
            self._servers.callback(websockets.drain)

    async def serve_plain(self, app: FastAPI | Starlette, address: str) -> None:
        """Serve an application that few ask on one of the bound sockets until the process ends."""
        await self._servers.enter_async_context(servers.plain(app, self._bound[address]))

    def listens(self, address: str) -> bool:
        """Whether it has a socket of this name."""
        return address in self._bound

    async def _prepared(self) -> int:
        """Everything is there when this returns the log's epoch: engines of its own are brought up to date, for others
        it waits until `migrate` has done so. Raises StartError."""
        await self.engines.open()
        if self.engines.exclusive:
            async for line in installation.migrate(self.engines, self.settings):
                _logger.info("%s", line)
        while True:
            try:
                epoch = await installation.check(self.engines)
            except (NotMigratedError, EngineUnavailableError) as error:
                if self.engines.exclusive:
                    raise
                self._wait_for(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._waits = None
                return epoch

    async def _refresh(self) -> None:
        """Certificates, passwords and keys that have changed hold for what is connected or verified from then on."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await asyncio.to_thread(self.engines.refresh)
                if self._services is not None:
                    await asyncio.to_thread(self._services.tokens.refresh)
            except StartError as error:
                _logger.warning("What was read before stays in use: %s", error)
            except Exception:  # a file of whatever content must not end the process
                _logger.exception("What was read before stays in use")

    def _wait_for(self, error: Exception) -> None:
        why = f"{error}: {error.advice}" if isinstance(error, NotMigratedError) else str(error)
        if why != self._waits:
            _logger.warning("Waiting: %s", why)
        self._waits = why

    def _close_services(self) -> None:
        if self._services is not None:
            self._services.passwords.close()


def until_end(process: Coroutine[Any, Any, T]) -> T:
    """Run a process's coroutine; its result. Raises StartError, also where a loop ended."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(process)
    except RuntimeError as error:
        raise StartError(str(error)) from error


def _unique(roles: Sequence[str]) -> str:
    """A name that no other process has had, whatever is cut off at its end."""
    return f"{uuid.uuid4().hex[:8]} {'+'.join(roles)} {socket.gethostname()} {os.getpid()}"[:64]


def _nobody() -> None:
    """Called where the outbox is another process's, which looks by itself."""
