"""Push and presence on Redis.

A session stands in two sorted sets, its user's and its gateway's, with the time until which it counts as its score, so
that one that is not refreshed is gone by itself. Pushes are published on a channel per gateway: nobody is held up by a
gateway that is slow, and one that was cut off is told to sweep.
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
from chat4all.realtime.port import TTL, Push, Status
from chat4all.realtime.redis.subscription import Subscription, encode

_log = logging.getLogger(__name__)

_PRESENT: Final = (Status.ONLINE, Status.AWAY, Status.OFFLINE)  # the most present first
_KEPT: Final = int(TTL * 2000)  # ms after which Redis forgets a key that nobody has written
_QUEUE: Final = 10_000  # pushes
_FIRST: Final = 5.0  # seconds that a gateway waits for its first subscription

Command = Callable[[Pipeline], object]


class RedisRealtime:
    """`clock`: seconds since 1970, the same for all processes within some seconds; `queue`: pushes that a gateway may
    be behind."""

    def __init__(self, settings: RedisSettings, *, clock: Callable[[], float] = time.time, queue: int = _QUEUE) -> None:
        self._queue = queue
        self._redis = RedisClient(settings, engine="realtime")
        self._settings = settings
        self._clock = clock

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.close()

    async def open(self) -> None:
        """Nothing yet: it connects when it is first used."""

    async def migrate(self) -> str:
        """Nothing: what is kept there is made when it is needed."""
        return "nothing to make"

    async def check(self) -> None:
        """Nothing: what works while Redis is away goes on."""

    async def describe(self) -> Description:
        return await self._redis.describe()

    async def register(self, gateway: str, sessions: Mapping[str, str]) -> None:
        commands: list[Command] = []
        for session, user in sessions.items():
            commands += self._alive(self._key("sessions", user), f"{gateway} {session}")
            commands += self._alive(self._key("gateway", gateway), session)
        await self._redis.pipeline(commands)

    async def unregister(self, gateway: str, session: str, user: str) -> None:
        await self._redis.pipeline(
            [
                lambda pipe: pipe.zrem(self._key("sessions", user), f"{gateway} {session}"),
                lambda pipe: pipe.zrem(self._key("gateway", gateway), session),
            ]
        )

    async def registered(self, gateway: str) -> frozenset[str]:
        [found] = await self._redis.pipeline([self._live(self._key("gateway", gateway))])
        return frozenset(one.decode() for one in found)

    async def gateways(self, users: Collection[str]) -> dict[str, frozenset[str]]:
        asked = list(users)
        answers = await self._redis.pipeline([self._live(self._key("sessions", user)) for user in asked])
        found: dict[str, set[str]] = defaultdict(set)
        for user, sessions in zip(asked, answers, strict=True):
            for place in sessions:
                found[place.decode().partition(" ")[0]].add(user)
        return {gateway: frozenset(held) for gateway, held in found.items()}

    async def publish(self, pushes: Sequence[Push]) -> None:
        await self._redis.pipeline([self._published(self._channel(push.gateway), push) for push in pushes])

    async def sweep(self) -> None:
        await self._redis.pipeline([self._published(self._everybody, Push(gateway="", sweep=True))])

    @contextlib.asynccontextmanager
    async def subscribe(self, gateway: str) -> AsyncIterator[AsyncIterator[Push]]:
        """Also while Redis is away: then it begins with a sweep when it is there."""
        subscription = Subscription(self._settings, gateway, [self._channel(gateway), self._everybody], self._queue)
        task = asyncio.create_task(subscription.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIRST):
                    await subscription.listening.wait()
            yield subscription.pushes()
        finally:
            if not await cancelled(task):
                _log.error("The subscription of gateway %s does not end, and is left", gateway)

    async def beat(self, user: str, device: str, status: Status) -> None:
        key = self._key("devices", user)
        said = [f"{one} {device}" for one in _PRESENT]
        commands: list[Command] = [lambda pipe: pipe.zrem(key, *said)]
        if status is not Status.OFFLINE:
            commands += self._alive(key, f"{status} {device}")
        await self._redis.pipeline(commands)

    async def presence(self, users: Collection[str]) -> dict[str, Status]:
        asked = list(users)
        kinds = ("sessions", "devices")
        answers = await self._redis.pipeline([self._live(self._key(kind, user)) for user in asked for kind in kinds])
        pairs = zip(asked, answers[::2], answers[1::2], strict=True)
        return {user: _status(sessions, devices) for user, sessions, devices in pairs}

    def _alive(self, key: str, member: str) -> list[Command]:
        """It counts for the next TTL; what counts no more goes, so that nothing grows."""
        now = self._clock()
        return [
            partial(Pipeline.zremrangebyscore, name=key, min="-inf", max=now),
            partial(Pipeline.zadd, name=key, mapping={member: now + TTL}),
            partial(Pipeline.pexpire, name=key, time=_KEPT),
        ]

    def _live(self, key: str) -> Command:
        return partial(Pipeline.zrangebyscore, name=key, min=f"({self._clock()}", max="+inf")

    def _published(self, channel: str, push: Push) -> Command:
        return partial(Pipeline.publish, channel=channel, message=encode(push))

    def _key(self, *parts: str) -> str:
        return self._redis.key(*parts)

    def _channel(self, gateway: str) -> str:
        return self._key("push", gateway)

    @property
    def _everybody(self) -> str:
        return self._key("sweep")


def _status(sessions: Collection[bytes], devices: Collection[bytes]) -> Status:
    said = [Status(one.decode().partition(" ")[0]) for one in devices]
    return min([*said, *([Status.ONLINE] if sessions else [])], key=_PRESENT.index, default=Status.OFFLINE)
