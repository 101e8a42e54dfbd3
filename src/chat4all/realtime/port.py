"""What the rest may ask of push and presence. Twins: embedded (this process); tests/contract/test_realtime.py.

Nothing here is durable and a push may be lost: clients find out by the seq, gateways by sweeping.
All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import msgspec

TTL: Final = 90.0  # seconds for which a session or a heartbeat counts without being refreshed
REFRESH: Final = 30.0  # seconds between refreshes: three may be late before anyone looks gone


class Status(enum.StrEnum):
    """What a person's devices say together: the most present one counts."""

    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A frame for sessions of these users on one gateway.

    `seq`: set for a frame that belongs in the conversation's order; None for one that does not (receipt, typing).
    `sweep`: no frame; the gateway is to compare what it has shown with the store.
    """

    gateway: str
    users: tuple[str, ...] = ()
    conversation_id: str = ""
    seq: int | None = None
    frame: bytes = b""
    sweep: bool = False


class Realtime(Protocol):
    """Sessions, pushes, presence. A gateway is named by the id of one start of it: a new one is another gateway."""

    async def register(self, gateway: str, sessions: Mapping[str, str]) -> None:
        """Sessions ({session: user}) are on this gateway for the next TTL; also how they are refreshed."""
        ...

    async def unregister(self, gateway: str, session: str, user: str) -> None:
        """The session is gone."""
        ...

    async def registered(self, gateway: str) -> frozenset[str]:
        """The sessions that are known to be on this gateway: what is missing must be registered again."""
        ...

    async def gateways(self, users: Collection[str]) -> dict[str, frozenset[str]]:
        """For each gateway that holds a session of any of them: which of them."""
        ...

    async def publish(self, pushes: Sequence[Push]) -> None:
        """Hand over pushes, in order for each gateway. One for a gateway that is gone or too slow is dropped."""
        ...

    async def sweep(self) -> None:
        """Ask every gateway to compare what it has shown with the store: pushes may have been lost."""
        ...

    def subscribe(self, gateway: str) -> AbstractAsyncContextManager[AsyncIterator[Push]]:
        """What is published for this gateway from the moment the context is entered."""
        ...

    async def beat(self, user: str, device: str, status: Status) -> None:
        """This device of the user says so, for the next TTL. OFFLINE: the device leaves."""
        ...

    async def presence(self, users: Collection[str]) -> dict[str, Status]:
        """The status of each user over all devices and sessions; a session counts as online."""
        ...
