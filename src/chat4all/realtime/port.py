"""What the rest may ask of push and presence. Twins: embedded (this process), redis; tests/contract/test_realtime.py
holds for each.

Nothing here is durable, and a push may be lost: clients notice it by the seq, gateways by sweeping.
All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

TTL_SECONDS: Final = 90.0  # a session or a heartbeat counts for so long without being refreshed
REFRESH_SECONDS: Final = 30.0  # seconds between refreshes: three may be late before anyone looks gone


class Status(enum.StrEnum):
    """What a person's devices say together: the most present one counts."""

    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A push carries a frame to the sessions of these users on one gateway.

    `seq`: set for a frame that belongs in the conversation's order; None for one that does not (receipt, typing).
    `sweep`: there is no frame; the gateway is to compare what it has shown with the store.
    """

    gateway: str
    users: tuple[str, ...] = ()
    conversation_id: str = ""
    seq: int | None = None
    frame: bytes = b""
    sweep: bool = False


class Realtime(Protocol):
    """This is where sessions, pushes and presence meet. A gateway is named by the id of one start of it: started again
    it is another gateway."""

    async def register(self, gateway: str, sessions: Mapping[str, str]) -> None:
        """Note that these sessions ({session: user}) are on this gateway for the next TTL_SECONDS. Calling it again
        refreshes them."""
        ...

    async def unregister(self, gateway: str, session: str, user: str) -> None:
        """Forget a session that has ended on this gateway."""
        ...

    async def registered(self, gateway: str) -> frozenset[str]:
        """Return the sessions that are known to be on this gateway: any other must be registered again."""
        ...

    async def gateways(self, users: Collection[str]) -> dict[str, frozenset[str]]:
        """Return for each gateway that holds sessions of these users which users those are."""
        ...

    async def publish(self, pushes: Sequence[Push]) -> None:
        """Publish pushes, in order for each gateway. A push for a gateway that is gone or too slow is dropped."""
        ...

    async def sweep(self) -> None:
        """Ask every gateway to compare what it has shown with the store: pushes may have been lost."""
        ...

    def subscribe(self, gateway: str) -> AbstractAsyncContextManager[AsyncIterator[Push]]:
        """Return a context that yields what is published for this gateway from the moment it is entered."""
        ...

    async def beat(self, user: str, device: str, status: Status) -> None:
        """Note the status that this device of the user has for the next TTL_SECONDS. With OFFLINE it is forgotten."""
        ...

    async def presence(self, users: Collection[str]) -> dict[str, Status]:
        """Return the status of each user over all devices and sessions. A session counts as online."""
        ...
