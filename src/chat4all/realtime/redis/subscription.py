"""What is published for one gateway, for as long as it runs: connects, listens, and connects again.

Whatever was published while the line was cut is lost, so every new line begins with a sweep; so does a queue that has
overflowed. A line that is silent is asked for a sign of life.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from chat4all.drivers.outage import Outage
from chat4all.drivers.redis import client, patience
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.model.errors import StartError
from chat4all.realtime.port import Push

_log = logging.getLogger(__name__)

_AGAIN: Final = 0.5  # seconds until it connects again, at first; it doubles
_LONGEST: Final = 5.0

encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Push).decode


class Subscription:
    """`gateway`: whose pushes; `channels`: where they are published; `queue`: how many may wait. `listening`: set while
    a line is there."""

    def __init__(self, settings: RedisSettings, gateway: str, channels: Sequence[str], queue: int) -> None:
        self.listening = asyncio.Event()
        self._settings = settings
        self._outage = Outage("Redis (pushes)")
        self._sweep = Push(gateway=gateway, sweep=True)
        self._channels = channels
        self._queue: asyncio.Queue[Push] = asyncio.Queue(queue)
        self._lost = False  # whether there has been a line before, or should have been

    async def pushes(self) -> AsyncIterator[Push]:
        """Each as it comes; for ever."""
        while True:
            yield await self._queue.get()

    async def run(self) -> None:
        """Listen until cancelled."""
        failures = 0
        while True:
            try:
                async with client(self._settings) as redis, redis.pubsub() as line:
                    await self._listen(line)
            except (RedisError, OSError, TimeoutError, StartError) as error:
                failures = 0 if self.listening.is_set() else failures + 1
                self._outage.failed(str(error) or type(error).__name__)
            finally:
                self.listening.clear()
                self._lost = True
            await asyncio.sleep(
                min(_LONGEST, _AGAIN * 2.0 ** min(failures, 8)) * random.SystemRandom().uniform(0.5, 1.0)
            )  # jitter

    async def _listen(self, line: aioredis.client.PubSub) -> None:
        async with patience(self._settings):
            await line.subscribe(*self._channels)
        confirmed, asked = 0, False
        while True:
            async with patience(self._settings, self._settings.ping_seconds):  # it connects again by itself
                message = await line.get_message(timeout=self._settings.ping_seconds)
            if message is None:
                if asked:
                    raise TimeoutError("no sign of life")
                async with patience(self._settings):
                    await line.ping()
                asked = True
                continue
            asked = False
            self._outage.answered()
            if message["type"] == "message":
                self._put(self._read(message["data"]))
            elif message["type"] == "subscribe":
                confirmed += 1
                if confirmed == len(self._channels):
                    self._begun()

    def _read(self, data: bytes) -> Push:
        """A push; of what is none, that something was said."""
        try:
            push = _decode(data)
        except msgspec.DecodeError as error:
            _log.warning("A push is not understood: %s", error)
            return self._sweep
        return self._sweep if push.sweep else push

    def _begun(self) -> None:
        if self._lost:
            self._put(self._sweep)
        self.listening.set()

    def _put(self, push: Push) -> None:
        if self._queue.full():  # what it has not read is worth less than knowing that it is behind
            while not self._queue.empty():
                self._queue.get_nowait()
            push = self._sweep
        self._queue.put_nowait(push)
