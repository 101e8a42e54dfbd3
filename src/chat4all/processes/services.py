"""The services of a process: what the API and the gateway work with, made once from its engines and settings."""

from collections.abc import Mapping
from typing import Any

from chat4all.accounts.keys import Keyring
from chat4all.accounts.links import Links
from chat4all.accounts.passwords import Passwords
from chat4all.accounts.tokens import Tokens
from chat4all.accounts.users import Users
from chat4all.api.health import Operations
from chat4all.api.services import EndpointServices, Hooks
from chat4all.channels.kit import registry
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.dead_letters import DeadLetters
from chat4all.conversations.history import History
from chat4all.conversations.members import MemberChanges
from chat4all.conversations.membership import Membership
from chat4all.conversations.outbox import Relay
from chat4all.conversations.presence import Presence
from chat4all.gateway.services import SessionServices
from chat4all.model.errors import StartError
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines
from chat4all.processes.installation import DEMO_PASSWORD, DEMO_USERS


class Services:
    """Those of one process. `holder`: this process, in leases; `passwords`: how those of users are hashed.

    Raises StartError where the settings name no key to sign with.
    """

    def __init__(
        self, engines: Engines, settings: Settings, *, holder: str, passwords: Passwords | None = None
    ) -> None:
        self._engines = engines
        self._settings = settings
        self.tokens = Tokens(keyring(settings), settings.accounts)
        self.passwords = passwords or Passwords()
        self.membership = Membership(engines.directory)
        self.presence = Presence(directory=engines.directory, realtime=engines.realtime)
        self.acceptance = Acceptance(
            log=engines.log, store=engines.store, membership=self.membership, metrics=engines.metrics
        )
        self.relay = Relay(directory=engines.directory, log=engines.log, holder=holder)
        self.offered = {name: manifest.offered() for name, manifest in registry.installed().items()}

    def of_sessions(self) -> SessionServices:
        """What the gateway's sessions work with."""
        return SessionServices(
            store=self._engines.store,
            directory=self._engines.directory,
            limits=self._engines.limits,
            membership=self.membership,
            presence=self.presence,
            acceptance=self.acceptance,
            metrics=self._engines.metrics,
            settings=self._settings.gateway,
        )

    def of_endpoints(self, operations: Operations, *, hooks: Hooks) -> EndpointServices:
        """What the API's endpoints work with. `hooks`: takes what providers post."""
        engines, settings = self._engines, self._settings
        return EndpointServices(
            settings=settings.api,
            users=Users(
                directory=engines.directory,
                limits=engines.limits,
                passwords=self.passwords,
                tokens=self.tokens,
                settings=settings.accounts,
            ),
            tokens=self.tokens,
            acceptance=self.acceptance,
            history=History(engines.store, engines.ledger, engines.directory),
            members=MemberChanges(
                directory=engines.directory, store=engines.store, membership=self.membership, on_change=self.relay.kick
            ),
            membership=self.membership,
            presence=self.presence,
            directory=engines.directory,
            store=engines.store,
            limits=engines.limits,
            metrics=engines.metrics,
            operations=operations,
            hooks=hooks,
            links=Links(directory=engines.directory, channels=engines.channels, offered=self.offered),
            channels=self.offered,
            dead_letters=DeadLetters(engines.log),
            welcome=self._welcome(),
        )

    def _welcome(self) -> Mapping[str, Any]:
        names = DEMO_USERS if self._settings.accounts.demo else {}
        return {
            "registration": self._settings.accounts.registration,
            "demo": [{"username": name, "password": DEMO_PASSWORD} for name in names],
        }


def keyring(settings: Settings) -> Keyring:
    """Return the keys that the settings name. Raises StartError, UnusableFileError."""
    accounts = settings.accounts
    if accounts.keys_dir is None:
        raise StartError("Every process needs the same keys: set CHAT4ALL_ACCOUNTS__KEYS_DIR.")
    return Keyring.load(accounts.keys_dir, accounts.signing_key)
