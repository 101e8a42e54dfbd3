"""Presence: who is online on how many devices, and telling those who share a conversation with them."""

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

_MAX_NOTIFIED_USERS: Final = 500  # of one change


class Present(msgspec.Struct, frozen=True):
    """Holds a person's status and when they were last seen (ms), as far as known."""

    status: Status
    last_seen: int | None


class Presence:
    """Keeps presence: a user is offline only when the last device goes. Telling others is a courtesy: what fails there
    is logged, not raised."""

    def __init__(self, *, directory: Directory, realtime: Realtime) -> None:
        self._directory = directory
        self._realtime = realtime

    async def of(self, username: str) -> Present:
        """Return the user's status now. Raises EngineUnavailableError."""
        user = await self._directory.user(username)
        status = (await self._realtime.presence([username]))[username]
        return Present(status, user.last_seen if user else None)

    async def among(self, usernames: Collection[str]) -> dict[str, Status]:
        """Return those of them who are not offline, read at once; nobody while that cannot be known: it is a
        courtesy."""
        try:
            statuses = await self._realtime.presence(usernames)
        except EngineUnavailableError as error:
            _log.warning("Presence could not be read: %s", error)
            return {}
        return {username: status for username, status in statuses.items() if status is not Status.OFFLINE}

    async def knows(self, username: str, other: str) -> bool:
        """Return whether the two share a conversation, or are the same user."""
        if username == other:
            return True
        conversations = await self._directory.conversations_of([username, other])
        return not set(conversations[username]).isdisjoint(conversations[other])

    async def beat(self, username: str, device: str, status: Status) -> None:
        """Note how present a user is on one device, and tell others. Raises EngineUnavailableError."""
        before = (await self._realtime.presence([username]))[username]
        await self._realtime.beat(username, device, status)
        await self._directory.seen(username, _now())
        await self.changed(username, before)

    async def arrived(self, username: str, gateway: str, session: str) -> None:
        """Register a session that begins, and tell others. Raises EngineUnavailableError."""
        before = (await self._realtime.presence([username]))[username]
        await self._realtime.register(gateway, {session: username})
        await self.changed(username, before)

    async def left(self, username: str, gateway: str, session: str) -> None:
        """Remove a session that has ended, and tell others."""
        try:
            before = (await self._realtime.presence([username]))[username]
            await self._realtime.unregister(gateway, session, username)
            await self._directory.seen(username, _now())
        except EngineUnavailableError as error:  # it times out by itself
            _log.warning("A session that ended is still registered: %s", error)
            return
        await self.changed(username, before)

    async def changed(self, username: str, before: Status) -> None:
        """Tell those who share a conversation with the user, if their status is not what it was before."""
        try:
            now = (await self._realtime.presence([username]))[username]
            if now is before:
                return
            others = await self._directory.acquaintances(username, limit=_MAX_NOTIFIED_USERS)
            frame = {"type": "presence", "user_id": username, "status": str(now), "timestamp": iso(_now())}
            await self.tell(others, frame)
        except EngineUnavailableError as error:
            _log.warning("A change of presence was not announced: %s", error)

    async def tell(self, users: Collection[str], frame: frames.Frame) -> None:
        """Push a frame, which has no place in a conversation's order, to these users. Raises EngineUnavailableError."""
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
