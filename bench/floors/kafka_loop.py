"""A bare aiokafka loop: tasks that each send a record with acks=all and wait for it.

`python -m bench.floors.kafka_loop SERVER COUNT WARM TASKS`: prints its figures as JSON.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import floors, load
from bench.figures import milliseconds
from chat4all.model import ids, records

_TOPIC: Final = "bench.floor"
_PARTITIONS: Final = 24  # as the server's default
_CONVERSATIONS: Final = 20


async def main() -> None:
    """Make the topic, warm up, send."""
    server, count, warm, tasks = sys.argv[1], *map(int, sys.argv[2:])
    admin = AIOKafkaAdminClient(bootstrap_servers=server)
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, _PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=server, acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    try:
        await _send(producer, warm, tasks)
        used, began = time.process_time(), time.perf_counter()
        seconds = await _send(producer, count, tasks)
        figures = {
            "accepts_per_s": count / (time.perf_counter() - began),
            "accept_cpu_s": (time.process_time() - used) / count * 1000,
            **milliseconds(seconds),
        }
    finally:
        await producer.stop()
    floors.tell(figures)


async def _send(producer: AIOKafkaProducer, count: int, tasks: int) -> list[float]:
    """How long each took."""
    seconds: list[float] = []
    waiting = iter(range(count))

    async def task(records_: Iterator[tuple[bytes, bytes]]) -> None:
        for _ in waiting:
            key, value = next(records_)
            began = time.perf_counter()
            await producer.send_and_wait(_TOPIC, value, key)
            seconds.append(time.perf_counter() - began)

    made = itertools.cycle(_records())
    await asyncio.gather(*(task(made) for _ in range(tasks)))
    return seconds


def _records() -> Iterator[tuple[bytes, bytes]]:
    """Keys and values, as large as the server's."""
    for number in range(_CONVERSATIONS):
        chat = ids.new_id()
        message = records.Message(
            id=ids.new_id(), conversation_id=chat, sender_id="ana", content=load.content(number), channels=("all",)
        )
        yield chat.encode(), records.encode(message)


if __name__ == "__main__":
    floors.run(main())
