"""The services that every session of a gateway works with."""

import asyncio
import dataclasses
from typing import Final, Protocol

from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.membership import Membership
from chat4all.conversations.presence import Presence
from chat4all.directory.port import Directory
from chat4all.gateway.settings import GatewaySettings
from chat4all.limits.port import Limits
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics

_MAX_CONCURRENT_READS: Final = 32


class ClientConnection(Protocol):
    """The part of gateway/connection.py that a session uses. `writable`: whether `write` is welcome just now."""

    writable: bool

    def accept(self) -> None:
        """Answer the handshake: the client is connected from here on."""
        ...

    def write(self, data: bytes) -> None:
        """Send a frame that `wire` made."""
        ...

    async def drain(self) -> None:
        """Wait until it is writable. Raises ConnectionError when it is gone."""
        ...

    def pause(self) -> None:
        """Read nothing more from the client for now."""
        ...

    def listen(self) -> None:
        """Go on reading from the client."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class SessionServices:
    """Holds what sessions share. `reads` is taken while a session reads from the directory or the store what it begins
    or catches up with: thousands that come back at once take turns."""

    store: Store
    directory: Directory
    limits: Limits
    membership: Membership
    presence: Presence
    acceptance: Acceptance
    metrics: Metrics
    settings: GatewaySettings
    reads: asyncio.Semaphore = dataclasses.field(default_factory=lambda: asyncio.Semaphore(_MAX_CONCURRENT_READS))
