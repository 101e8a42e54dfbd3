"""Presence: who is here, on how many devices, and telling those who share a conversation with him."""

import logging
import time
from collections.abc import Collection
from typing import Final

import msgspec

from chat4all.directory.port import Directory
from chat4all.model import frames
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.rows import iso
from chat4all.realtime.port import Push, Realtime, Status

_log = logging.getLogger(__name__)

_TOLD: Final = 500  # people who are told of a change


class Present(msgspec.Struct, frozen=True):
    """A person's status and when he was last here (ms), as far as known."""

    status: Status
    last_seen: int | None


class Presence:
    """Offline only when the last device goes. That others are told is a courtesy: what fails is logged, not raised."""

    def __init__(self, *, directory: Directory, realtime: Realtime) -> None:
        self._directory = directory
        self._realtime = realtime

    async def of(self, username: str) -> Present:
        """The status now. Raises EngineUnavailableError."""
        user = await self._directory.user(username)
        status = (await self._realtime.presence([username]))[username]
        return Present(status, user.last_seen if user else None)

    async def among(self, usernames: Collection[str]) -> dict[str, Status]:
        """Those of them who are here, in one look; nobody while that cannot be known: it is a courtesy."""
        try:
            found = await self._realtime.presence(usernames)
        except EngineUnavailableError as error:
            _log.warning("Who is here is not known: %s", error)
            return {}
        return {username: status for username, status in found.items() if status is not Status.OFFLINE}

    async def knows(self, username: str, other: str) -> bool:
        """Whether they share a conversation, or are the same."""
        if username == other:
            return True
        mine = await self._directory.conversations_of([username, other])
        return not set(mine[username]).isdisjoint(mine[other])

    async def beat(self, username: str, device: str, status: Status) -> None:
        """A device says how present its user is. Raises EngineUnavailableError."""
        before = (await self._realtime.presence([username]))[username]
        await self._realtime.beat(username, device, status)
        await self._directory.seen(username, _now())
        await self.changed(username, before)

    async def arrived(self, username: str, gateway: str, session: str) -> None:
        """A session begins: register it. Raises EngineUnavailableError."""
        before = (await self._realtime.presence([username]))[username]
        await self._realtime.register(gateway, {session: username})
        await self.changed(username, before)

    async def left(self, username: str, gateway: str, session: str) -> None:
        """A session has ended."""
        try:
            before = (await self._realtime.presence([username]))[username]
            await self._realtime.unregister(gateway, session, username)
            await self._directory.seen(username, _now())
        except EngineUnavailableError as error:  # it times out by itself
            _log.warning("A session that ended is still registered: %s", error)
            return
        await self.changed(username, before)

    async def changed(self, username: str, before: Status) -> None:
        """Tell those who know him, if his status is not what it was."""
        try:
            now = (await self._realtime.presence([username]))[username]
            if now is before:
                return
            others = await self._directory.acquaintances(username, limit=_TOLD)
            frame = {"type": "presence", "user_id": username, "status": str(now), "timestamp": iso(_now())}
            await self.tell(others, frame)
        except EngineUnavailableError as error:
            _log.warning("A change of presence was not told: %s", error)

    async def tell(self, users: Collection[str], frame: frames.Frame) -> None:
        """Push a frame that belongs to no order to the sessions of these users. Raises EngineUnavailableError."""
        places = await self._realtime.gateways(users)
        conversation_id = str(frame.get("conversation_id", ""))
        body = frames.encode(frame)
        await self._realtime.publish(
            [
                Push(gateway=gateway, users=tuple(present), conversation_id=conversation_id, frame=body)
                for gateway, present in places.items()
            ]
        )


def _now() -> int:
    return time.time_ns() // 1_000_000
