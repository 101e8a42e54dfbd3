"""What stands on the ports: the same in every mode, made here from whatever is behind them."""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from chat4all.accounts.links import Links
from chat4all.accounts.passwords import Passwords
from chat4all.accounts.tokens import Tokens
from chat4all.accounts.users import Users
from chat4all.api.health import Operations
from chat4all.api.services import Hooks, Services
from chat4all.channels.kit import registry
from chat4all.connectors import supervisor as connecting
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.dead_letters import DeadLetters
from chat4all.conversations.history import History
from chat4all.conversations.members import Members
from chat4all.conversations.membership import Membership
from chat4all.conversations.outbox import Relay
from chat4all.conversations.presence import Presence
from chat4all.directory.port import Role
from chat4all.gateway.ports import Ports
from chat4all.processes.config import Settings
from chat4all.realtime.port import Realtime
from chat4all.routing.dispatch import Dispatch
from chat4all.routing.router import Router
from chat4all.store.port import Store

_TOLD: Final = 35 * 86_400_000  # ms
DEMO_USERS: Final = {"ana": Role.AGENT, "bruno": Role.USER, "admin": Role.ADMIN}
DEMO_PASSWORD: Final = "demo"  # noqa: S105 - public: it is in the README, and only loopback is listened on


async def demo_hash() -> str:
    """The hash of the demo's password. Everybody knows it, so that nothing is won by a hash that takes its time."""
    passwords = Passwords.cheap()
    try:
        return await passwords.hash(DEMO_PASSWORD)
    finally:
        passwords.close()


class Engines(connecting.Engines, Protocol):
    """Everything behind a port: what connectors stand on, and these."""

    @property
    def store(self) -> Store: ...

    @property
    def realtime(self) -> Realtime: ...


class Parts:
    """Of one process. `holder`: this process, in leases."""

    def __init__(
        self, on: Engines, settings: Settings, tokens: Tokens, *, holder: str, passwords: Passwords | None = None
    ) -> None:
        self._on = on
        self._settings = settings
        self.tokens = tokens
        self.passwords = passwords or Passwords()
        self.membership = Membership(on.directory)
        self.presence = Presence(directory=on.directory, realtime=on.realtime)
        self.acceptance = Acceptance(log=on.log, store=on.store, membership=self.membership, metrics=on.metrics)
        self.relay = Relay(directory=on.directory, log=on.log, holder=holder)
        self.offered = {name: manifest.offered() for name, manifest in registry.installed().items()}

    def gateway_ports(self) -> Ports:
        """What sessions work with."""
        return Ports(
            store=self._on.store,
            directory=self._on.directory,
            limits=self._on.limits,
            membership=self.membership,
            presence=self.presence,
            acceptance=self.acceptance,
            metrics=self._on.metrics,
            settings=self._settings.gateway,
        )

    def services(self, operations: Operations, *, hooks: Hooks) -> Services:
        """What the API's endpoints work with."""
        on, settings = self._on, self._settings
        return Services(
            settings=settings.api,
            users=Users(
                directory=on.directory,
                limits=on.limits,
                passwords=self.passwords,
                tokens=self.tokens,
                settings=settings.accounts,
            ),
            tokens=self.tokens,
            acceptance=self.acceptance,
            history=History(on.store, on.ledger, on.directory),
            members=Members(directory=on.directory, store=on.store, membership=self.membership, told=self.relay.kick),
            membership=self.membership,
            presence=self.presence,
            directory=on.directory,
            store=on.store,
            limits=on.limits,
            metrics=on.metrics,
            operations=operations,
            hooks=hooks,
            links=Links(directory=on.directory, channels=on.channels, offered=self.offered),
            channels=self.offered,
            dead_letters=DeadLetters(on.log),
            welcome=self._welcome(),
        )

    def _welcome(self) -> Mapping[str, Any]:
        names = DEMO_USERS if self._settings.accounts.demo else {}
        return {
            "registration": self._settings.accounts.registration,
            "demo": [{"username": name, "password": DEMO_PASSWORD} for name in names],
        }


def told_before() -> int:
    """What providers told before this, ms, they do not tell again."""
    return int(time.time() * 1000) - _TOLD


def router(on: Engines, settings: Settings, epoch: int) -> Router:
    """A router; `epoch`: of the log, as the directory has it."""
    dispatch = Dispatch(log=on.log, store=on.store, ledger=on.ledger, directory=on.directory, channels=on.channels)
    return Router(
        log=on.log,
        store=on.store,
        directory=on.directory,
        realtime=on.realtime,
        dispatch=dispatch,
        metrics=on.metrics,
        epoch=epoch,
        settings=settings.routing,
        traces=on.traces,
    )
