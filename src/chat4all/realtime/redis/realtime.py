"""Push and presence on Redis.

A session stands in two sorted sets, its user's and its gateway's. Its score is the time until which it counts, so a
session that is not refreshed is gone by itself. Pushes are published on a channel per gateway: a slow gateway holds up
nobody, and one that was cut off begins with a sweep.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from redis.asyncio.client import Pipeline

from chat4all.drivers.redis import RedisClient
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.futures import cancelled
from chat4all.model.engines import Description
from chat4all.realtime.port import TTL_SECONDS, Push, Status
from chat4all.realtime.redis.subscription import Subscription, encode

_log = logging.getLogger(__name__)

_MOST_PRESENT_FIRST: Final = (Status.ONLINE, Status.AWAY, Status.OFFLINE)
_KEY_EXPIRY_MS: Final = int(TTL_SECONDS * 2000)  # of keys that nobody writes any more
_MAX_QUEUED_PUSHES: Final = 10_000  # of one gateway
_FIRST_SUBSCRIPTION_SECONDS: Final = 5.0  # then the gateway goes on without it

Command = Callable[[Pipeline], object]


class RedisRealtime:
    """Sessions and presence of all processes are kept in Redis. Implements `Realtime`.

    `clock`: seconds since 1970, the same for all processes within some seconds; `queue`: pushes that a gateway may be
    behind.
    """

    def __init__(
        self, settings: RedisSettings, *, clock: Callable[[], float] = time.time, queue: int = _MAX_QUEUED_PUSHES
    ) -> None:
        self._queue = queue
        self._redis = RedisClient(settings, engine="realtime")
        self._settings = settings
        self._clock = clock

    async def close(self) -> None:
        """Disconnect from Redis; running subscriptions have their own connections."""
        await self._redis.close()

    async def open(self) -> None:
        """Do nothing: the client connects when it is first used."""

    async def migrate(self) -> str:
        """Do nothing: keys are made when they are needed."""
        return "nothing to make"

    async def check(self) -> None:
        """Do nothing: a process also works while Redis is away."""

    async def describe(self) -> Description:
        return await self._redis.describe()

    async def register(self, gateway: str, sessions: Mapping[str, str]) -> None:
        commands: list[Command] = []
        for session, user in sessions.items():
            commands += self._refreshing(self._key("sessions", user), f"{gateway} {session}")
            commands += self._refreshing(self._key("gateway", gateway), session)
        await self._redis.pipeline(commands)

    async def unregister(self, gateway: str, session: str, user: str) -> None:
        await self._redis.pipeline(
            [
                lambda pipe: pipe.zrem(self._key("sessions", user), f"{gateway} {session}"),
                lambda pipe: pipe.zrem(self._key("gateway", gateway), session),
            ]
        )

    async def registered(self, gateway: str) -> frozenset[str]:
        [sessions] = await self._redis.pipeline([self._live(self._key("gateway", gateway))])
        return frozenset(one.decode() for one in sessions)

    async def gateways(self, users: Collection[str]) -> dict[str, frozenset[str]]:
        usernames = list(users)
        answers = await self._redis.pipeline([self._live(self._key("sessions", user)) for user in usernames])
        present: dict[str, set[str]] = defaultdict(set)
        for user, sessions in zip(usernames, answers, strict=True):
            for place in sessions:
                present[place.decode().partition(" ")[0]].add(user)
        return {gateway: frozenset(names) for gateway, names in present.items()}

    async def publish(self, pushes: Sequence[Push]) -> None:
        await self._redis.pipeline([self._publication(self._channel(push.gateway), push) for push in pushes])

    async def sweep(self) -> None:
        await self._redis.pipeline([self._publication(self._sweep_channel, Push(gateway="", sweep=True))])

    @contextlib.asynccontextmanager
    async def subscribe(self, gateway: str) -> AsyncIterator[AsyncIterator[Push]]:
        """Implements `Realtime.subscribe`. It also works while Redis is away, and begins with a sweep once Redis is
        back."""
        subscription = Subscription(self._settings, gateway, [self._channel(gateway), self._sweep_channel], self._queue)
        task = asyncio.create_task(subscription.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_SUBSCRIPTION_SECONDS):
                    await subscription.listening.wait()
            yield subscription.pushes()
        finally:
            if not await cancelled(task):
                _log.error("The subscription of gateway %s does not end and is abandoned", gateway)

    async def beat(self, user: str, device: str, status: Status) -> None:
        key = self._key("devices", user)
        members = [f"{one} {device}" for one in _MOST_PRESENT_FIRST]
        commands: list[Command] = [lambda pipe: pipe.zrem(key, *members)]
        if status is not Status.OFFLINE:
            commands += self._refreshing(key, f"{status} {device}")
        await self._redis.pipeline(commands)

    async def presence(self, users: Collection[str]) -> dict[str, Status]:
        usernames = list(users)
        kinds = ("sessions", "devices")
        answers = await self._redis.pipeline(
            [self._live(self._key(kind, user)) for user in usernames for kind in kinds]
        )
        triples = zip(usernames, answers[::2], answers[1::2], strict=True)
        return {user: _status(sessions, devices) for user, sessions, devices in triples}

    def _refreshing(self, key: str, member: str) -> list[Command]:
        """Return commands after which the member counts for the next TTL_SECONDS. They remove members that do not count
        any more, so that nothing grows."""
        now = self._clock()
        return [
            partial(Pipeline.zremrangebyscore, name=key, min="-inf", max=now),
            partial(Pipeline.zadd, name=key, mapping={member: now + TTL_SECONDS}),
            partial(Pipeline.pexpire, name=key, time=_KEY_EXPIRY_MS),
        ]

    def _live(self, key: str) -> Command:
        return partial(Pipeline.zrangebyscore, name=key, min=f"({self._clock()}", max="+inf")

    def _publication(self, channel: str, push: Push) -> Command:
        return partial(Pipeline.publish, channel=channel, message=encode(push))

    def _key(self, *parts: str) -> str:
        return self._redis.key(*parts)

    def _channel(self, gateway: str) -> str:
        return self._key("push", gateway)

    @property
    def _sweep_channel(self) -> str:
        return self._key("sweep")


def _status(sessions: Collection[bytes], devices: Collection[bytes]) -> Status:
    statuses = [Status(one.decode().partition(" ")[0]) for one in devices]
    statuses += [Status.ONLINE] if sessions else []
    return min(statuses, key=_MOST_PRESENT_FIRST.index, default=Status.OFFLINE)
