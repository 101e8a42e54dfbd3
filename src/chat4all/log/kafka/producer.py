"""Appending to Kafka: one idempotent producer, made when it is first needed and made anew when it has broken."""

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from chat4all.log.kafka.connection import Login, Starts

_MAX_RECORD_BYTES: Final = 4 << 20  # the API takes far smaller ones
_MAX_BATCH_BYTES: Final = 256 << 10  # of one partition; further records wait until it has left
# They are about one record, or about a producer that is being stopped already.
_HARMLESS_ERRORS: Final = (MessageSizeTooLargeError, ProducerClosed)


class Producer:
    """This object holds the one producer of a process.

    `login`: by which clients are made; `starts`: by which they connect; `stop_seconds`: in which records that are
    on their way may still arrive.
    """

    def __init__(self, login: Login, starts: Starts, *, stop_seconds: float) -> None:
        self._login = login
        self._starts = starts
        self._stop_seconds = stop_seconds
        self._live: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def ready(self) -> AIOKafkaProducer:
        """Return the producer, connected. Raises KafkaError; the caller bounds the time."""
        if self._live is None:
            async with self._making:
                if self._live is None:
                    self._live = await self._connected_producer()
        return self._live

    def failed(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        """Note that a send of this producer raised this error, and drop the producer after one that cannot be retried:
        its sequence numbers may not fit the broker's any more, and then it never sends anything again."""
        if not error.retriable and not isinstance(error, _HARMLESS_ERRORS) and producer is self._live:
            task = asyncio.create_task(self._stop(producer))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            self._live = None

    async def close(self) -> None:
        """Wait a moment for records that are on their way, then disconnect."""
        if self._live is not None:
            await self._stop(self._live)
            self._live = None
        await asyncio.gather(*self._ending)

    async def _connected_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._login.arguments(),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_MAX_BATCH_BYTES,
            max_request_size=_MAX_RECORD_BYTES,
        )
        self._login.adopt(producer.client)
        await self._starts.connect(producer.start(), lambda: self._stop(producer))
        return producer

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        """Stop the producer within a bounded time. Its own `stop` waits for ever for a broker that is gone, since its
        sender never gives up a record. The outcome of records that are left is unknown, and their callers know it."""
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(self._stop_seconds):
                await producer.stop()
        sender = producer._sender.sender_task  # noqa: SLF001 - there is no public way to end it without its flush
        if sender is not None and not sender.done():
            sender.cancel()
        await producer.client.close()
