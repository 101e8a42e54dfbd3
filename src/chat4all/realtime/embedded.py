"""Push and presence inside one process: dictionaries with times to live, and a bounded queue per gateway."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

from chat4all.realtime.port import TTL_SECONDS, Push, Status

_MAX_QUEUED_PUSHES: Final = 10_000  # of one gateway
_MOST_PRESENT_FIRST: Final = (Status.ONLINE, Status.AWAY, Status.OFFLINE)


class EmbeddedRealtime:
    """Sessions and presence of one process are kept in memory. Implements `Realtime`. `clock`: seconds that never go
    back; `queue`: pushes that a gateway may be behind."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, queue: int = _MAX_QUEUED_PUSHES) -> None:
        self._queue = queue
        self._clock = clock
        self._sessions: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)  # user → (gateway, session) → until
        self._devices: dict[str, dict[str, tuple[Status, float]]] = defaultdict(dict)  # user → device → status, until
        self._queues: dict[str, asyncio.Queue[Push]] = {}

    async def register(self, gateway: str, sessions: Mapping[str, str]) -> None:
        for session, user in sessions.items():
            self._sessions[user][gateway, session] = self._clock() + TTL_SECONDS

    async def unregister(self, gateway: str, session: str, user: str) -> None:
        self._sessions[user].pop((gateway, session), None)
        self._forget_if_gone(user)

    async def registered(self, gateway: str) -> frozenset[str]:
        now = self._clock()
        return frozenset(
            session
            for sessions in self._sessions.values()
            for (place, session), until in sessions.items()
            if place == gateway and until > now
        )

    async def gateways(self, users: Collection[str]) -> dict[str, frozenset[str]]:
        present: dict[str, set[str]] = defaultdict(set)
        for user in users:
            for gateway, _ in self._live(user):
                present[gateway].add(user)
        return {gateway: frozenset(names) for gateway, names in present.items()}

    async def publish(self, pushes: Sequence[Push]) -> None:
        for push in pushes:
            queue = self._queues.get(push.gateway)
            if queue is None:
                continue
            if queue.full():  # that it is behind is worth more to the gateway than the pushes it has not read
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(Push(gateway=push.gateway, sweep=True))
            else:
                queue.put_nowait(push)

    async def sweep(self) -> None:
        await self.publish([Push(gateway=gateway, sweep=True) for gateway in self._queues])

    @contextlib.asynccontextmanager
    async def subscribe(self, gateway: str) -> AsyncIterator[AsyncIterator[Push]]:
        queue: asyncio.Queue[Push] = asyncio.Queue(self._queue)
        self._queues[gateway] = queue
        try:
            yield _drain(queue)
        finally:
            del self._queues[gateway]

    async def beat(self, user: str, device: str, status: Status) -> None:
        if status is Status.OFFLINE:
            self._devices[user].pop(device, None)
            self._forget_if_gone(user)
        else:
            now = self._clock()
            live = {name: beat for name, beat in self._devices[user].items() if beat[1] > now}
            self._devices[user] = live | {device: (status, now + TTL_SECONDS)}

    async def presence(self, users: Collection[str]) -> dict[str, Status]:
        return {user: self._status(user) for user in users}

    def _status(self, user: str) -> Status:
        now = self._clock()
        statuses = [status for status, until in self._devices.get(user, {}).values() if until > now]
        if self._live(user):
            statuses.append(Status.ONLINE)
        return min(statuses, key=_MOST_PRESENT_FIRST.index, default=Status.OFFLINE)

    def _live(self, user: str) -> list[tuple[str, str]]:
        now = self._clock()
        return [place for place, until in self._sessions.get(user, {}).items() if until > now]

    def _forget_if_gone(self, user: str) -> None:
        """Forget a user without sessions and devices, so that memory does not grow with everyone who ever came."""
        if not self._sessions.get(user):
            self._sessions.pop(user, None)
        if not self._devices.get(user):
            self._devices.pop(user, None)


async def _drain(queue: asyncio.Queue[Push]) -> AsyncIterator[Push]:
    while True:
        yield await queue.get()
