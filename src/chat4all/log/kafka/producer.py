"""Appending to Kafka: one idempotent producer, made when it is first needed and made anew when it has broken."""

import asyncio
import contextlib
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from chat4all.log.kafka.connection import Starts

_RECORD: Final = 4 << 20  # bytes, the largest record; the API takes far smaller ones
_BATCH: Final = 256 << 10  # bytes that wait for a partition; what is more waits before it
# About one record, or about a producer that is being stopped already.
_HARMLESS: Final = (MessageSizeTooLargeError, ProducerClosed)


class Producer:
    """`arguments`: what clients are made with; `starts`: by which they connect; `stops`: seconds in which what is on
    its way may still arrive."""

    def __init__(self, arguments: dict[str, Any], starts: Starts, *, stops: float) -> None:
        self._arguments = arguments
        self._starts = starts
        self._stops = stops
        self._live: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def ready(self) -> AIOKafkaProducer:
        """The producer, connected. Raises KafkaError; to be called under a time-out."""
        if self._live is None:
            async with self._making:
                if self._live is None:
                    self._live = await self._made()
        return self._live

    def failed(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        """A send has ended so. What tries again will not help is no reason to keep the producer: its sequence numbers
        may not fit the broker's any more, and then it never sends anything again."""
        if not error.retriable and not isinstance(error, _HARMLESS) and producer is self._live:
            task = asyncio.create_task(self._stop(producer))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            self._live = None

    async def close(self) -> None:
        """Let what is on its way arrive, for a moment, and disconnect."""
        if self._live is not None:
            await self._stop(self._live)
            self._live = None
        await asyncio.gather(*self._ending)

    async def _made(self) -> AIOKafkaProducer:
        made = AIOKafkaProducer(
            **self._arguments,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=_BATCH,
            max_request_size=_RECORD,
        )
        await self._starts.connect(made.start(), lambda: self._stop(made))
        return made

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        """`stop` waits for ever for a broker that is gone: its sender never gives up what it was given. What is left
        after a while is of unknown outcome, as whoever appended it has been told."""
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(self._stops):
                await producer.stop()
        sender = producer._sender.sender_task  # noqa: SLF001 - there is no public way to end it without its flush
        if sender is not None and not sender.done():
            sender.cancel()
        await producer.client.close()
