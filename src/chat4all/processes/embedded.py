"""Embedded mode: every role in this process, on SQLite files."""

import asyncio
import contextlib
import fcntl
import ipaddress
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from chat4all.accounts.keys import Keyring
from chat4all.accounts.passwords import Passwords
from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.accounts.tokens import Tokens
from chat4all.api import app as api
from chat4all.api import internal
from chat4all.api.health import Operations
from chat4all.connectors.supervisor import Connecting
from chat4all.directory.port import AlreadyThereError, LogEpoch, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.gateway.endpoint import Endpoint
from chat4all.gateway.hub import Gateway
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Topic
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import parts, tracing
from chat4all.processes.config import Settings
from chat4all.processes.parts import DEMO_USERS, Parts
from chat4all.processes.runtime import Loops
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.routing.router import Router
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_KEPT: Final = tuple(
    f"{name}.db{suffix}"
    for name in ("log", "store", "ledger", "directory")
    for suffix in ("", "-wal", "-shm", "-journal")
)
_HOUR: Final = 3600.0


class Embedded:
    """Every role in one process on SQLite files and in-process push. `passwords`: how those of users are hashed."""

    def __init__(self, settings: Settings, *, passwords: Passwords | None = None) -> None:
        data = settings.embedded.data
        self.settings = settings
        self.loops = Loops()
        self.metrics = Metrics()
        self.log = EmbeddedLog(data / "log.db")
        self.store = EmbeddedStore(data / "store.db")
        self.sql = Sql.in_file(data / "directory.db")
        self.directory = SqlDirectory(self.sql)
        self.channels = SqlChannels(self.sql)
        self.ledger = EmbeddedLedger(data / "ledger.db")
        self.realtime = EmbeddedRealtime()
        self.limits = EmbeddedLimits()
        self.traces = tracing.opened(settings.tracing, "embedded")
        tokens = Tokens(_keyring(settings), settings.accounts)
        self.parts = Parts(self, _with_demo(settings), tokens, holder="embedded", passwords=passwords)
        self.gateway = Gateway(self.realtime, self.parts.gateway_ports())
        self.websockets = Endpoint(self.gateway, self.parts.tokens)
        self.connecting = Connecting(self, settings.channels, holder="embedded", told=self.parts.relay.kick)
        self.router: Router | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FastAPI]:
        """Open the engines, start the loops, and at the end undo that in reverse."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.to_thread, self.traces.close)
            stack.callback(self.parts.passwords.close)
            for engine in (self.log, self.store, self.ledger, self.sql):
                await engine.open()
                stack.push_async_callback(engine.close)
            epoch = await self._topics()
            await self._demo_users()
            await self.connecting.register()
            router = self.router = parts.router(self, self.settings, epoch)
            stack.push_async_callback(self.loops.stop)
            self.loops.start("outbox", self.parts.relay.run())
            self.loops.start("router", router.run())
            self.loops.start("gateway", self.gateway.run())
            self.loops.start("websockets", self.websockets.run())
            self.loops.start("retention", self._retain())
            self.loops.start("connectors", self.connecting.run())
            stack.callback(self.gateway.drain)
            self._name_adapters()
            yield api.create(self.parts.services(self._operations(router), hooks=self.connecting.receive), self.traces)

    async def _topics(self) -> int:
        """Make the topics once; their partitions must stay what they were (invariant 3). Returns the epoch."""
        kept = self.settings.log.retention_days * 86_400
        await self.log.create(
            [
                Topic(CONVERSATIONS, self.settings.log.partitions, kept),
                Topic(EVENTS, self.settings.log.partitions, kept),
                Topic(DEAD_LETTERS, 1, 10 * kept),
            ]
        )
        now = await self.log.partitions(CONVERSATIONS)
        known = await self.directory.log_epoch(CONVERSATIONS)
        if known is None:
            known = LogEpoch(topic=CONVERSATIONS, epoch=1, partitions=now)
            await self.directory.add_log_epoch(known)
        if known.partitions != now:
            raise StartError(
                f"{CONVERSATIONS} has {now} partitions and had {known.partitions}: conversations would be "
                f"sequenced anew. Restore log.db in {self.settings.embedded.data}."
            )
        return known.epoch

    async def _demo_users(self) -> None:
        for username, role in DEMO_USERS.items():
            if await self.directory.user(username) is None:
                hashed = await parts.demo_hash()
                with contextlib.suppress(AlreadyThereError):
                    await self.directory.add_user(User(username=username, role=role, password_hash=hashed))

    async def _retain(self) -> None:
        """Once an hour, let go of log records that are old and read."""
        while True:
            try:
                await self.log.trim()
                await self.channels.forget_events(before=parts.told_before())
            except EngineUnavailableError as error:
                _log.warning("Old records stay for now: %s", error)
            await asyncio.sleep(_HOUR)

    def internal(self) -> FastAPI:
        """The internal API. Raises StartError."""
        file = self.settings.internal.token_file
        made = SharedTokens(file) if file else SharedTokens.load_or_make(self.settings.embedded.data / "internal-token")
        return internal.create(self.connecting.registration, made)

    def _operations(self, router: Router) -> Operations:
        def ready() -> Mapping[str, str | None]:
            return {**self.loops.live(), "partitions": "; ".join(router.stopped.values()) or None}

        return Operations(self.metrics, ready, self.loops.live, self.connecting.status)

    def _name_adapters(self) -> None:
        for port in ("log", "store", "directory", "realtime", "limits"):
            self.metrics.adapter.labels(port, "embedded").set(1)
        _log.info("Embedded mode: log, store, directory, realtime and limits in this process")


def check_loopback(host: str, variable: str) -> None:
    """Embedded mode has users whose password everyone knows. Raises StartError for an address others can reach.

    `variable`: what has set it.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise StartError(f"{variable} is {host}; embedded mode listens on loopback only, as 127.0.0.1.")


@contextlib.contextmanager
def claimed(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone. Raises StartError while another one has it."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "lock").open("a+b", buffering=0)
    except OSError as error:
        raise _cannot_keep(data, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().decode().strip() or "?"
            raise StartError(f"{data} is in use by process {holder}; stop that one first.") from error
        try:
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
        except OSError as error:
            raise _cannot_keep(data, error) from error
        yield


def _cannot_keep(data: Path, error: OSError) -> StartError:
    return StartError(f"Cannot keep data in {data}: {error.strerror}. Make room there, or set CHAT4ALL_EMBEDDED__DATA.")


def clear(data: Path) -> None:
    """Delete what embedded mode keeps in this folder, and nothing else that may be in it."""
    for name in _KEPT:
        (data / name).unlink(missing_ok=True)
    for key in (data / "keys").glob("*.pem"):
        key.unlink()


def _with_demo(settings: Settings) -> Settings:
    return settings.model_copy(update={"accounts": settings.accounts.model_copy(update={"demo": True})})


def _keyring(settings: Settings) -> Keyring:
    accounts = settings.accounts
    if accounts.keys_dir is not None:
        return Keyring.load(accounts.keys_dir, accounts.signing_key)
    return Keyring.load_or_make(settings.embedded.data / "keys", accounts.signing_key)
