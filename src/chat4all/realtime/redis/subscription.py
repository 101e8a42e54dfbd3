"""A subscription to what is published for one gateway: it connects, listens, and connects again, as long as it runs.

Pushes that were published while the line was cut are lost, so every new line begins with a sweep, and so does a queue
that has overflowed. A silent line is asked for a sign of life.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from chat4all.backoff import Backoff
from chat4all.drivers.outage import Outage
from chat4all.drivers.redis import client, patience
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.model.errors import StartError
from chat4all.realtime.port import Push

_log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS: Final = 0.5  # it doubles with each failure
_MAX_BACKOFF_SECONDS: Final = 5.0

encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Push).decode


class Subscription:
    """A subscription queues the pushes for one gateway.

    `channels`: where they are published; `queue`: how many may wait; `listening`: set while there is a line.
    """

    def __init__(self, settings: RedisSettings, gateway: str, channels: Sequence[str], queue: int) -> None:
        self.listening = asyncio.Event()
        self._settings = settings
        self._outage = Outage("Redis (pushes)")
        self._sweep = Push(gateway=gateway, sweep=True)
        self._channels = channels
        self._queue: asyncio.Queue[Push] = asyncio.Queue(queue)
        self._lost = False  # whether pushes may have been missed: a line was cut, or could not be made

    async def pushes(self) -> AsyncIterator[Push]:
        """Yield each push as it comes, for ever."""
        while True:
            yield await self._queue.get()

    async def run(self) -> None:
        """Connect and listen until the task is cancelled."""
        backoff = Backoff(_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS)
        while True:
            try:
                async with client(self._settings) as redis, redis.pubsub() as line:
                    await self._listen(line)
            except (RedisError, OSError, TimeoutError, StartError) as error:
                if self.listening.is_set():
                    backoff.succeeded()
                self._outage.failed(str(error) or type(error).__name__)
            finally:
                self.listening.clear()
                self._lost = True
            await asyncio.sleep(backoff.failed())

    async def _listen(self, line: aioredis.client.PubSub) -> None:
        async with patience(self._settings):
            await line.subscribe(*self._channels)
        confirmed, pinged = 0, False
        while True:
            async with patience(self._settings, self._settings.ping_seconds):  # it connects again by itself
                message = await line.get_message(timeout=self._settings.ping_seconds)
            if message is None:
                if pinged:
                    raise TimeoutError("no sign of life")
                async with patience(self._settings):
                    await line.ping()
                pinged = True
                continue
            pinged = False
            self._outage.answered()
            if message["type"] == "message":
                self._put(self._read(message["data"]))
            elif message["type"] == "subscribe":
                confirmed += 1
                if confirmed == len(self._channels):
                    self._note_listening()

    def _read(self, data: bytes) -> Push:
        """Return the push in these bytes. Bytes that cannot be decoded become a sweep: something was published."""
        try:
            push = _decode(data)
        except msgspec.DecodeError as error:
            _log.warning("A push cannot be decoded: %s", error)
            return self._sweep
        return self._sweep if push.sweep else push

    def _note_listening(self) -> None:
        if self._lost:
            self._put(self._sweep)
        self.listening.set()

    def _put(self, push: Push) -> None:
        if self._queue.full():  # that it is behind is worth more to the gateway than the pushes it has not read
            while not self._queue.empty():
                self._queue.get_nowait()
            push = self._sweep
        self._queue.put_nowait(push)
