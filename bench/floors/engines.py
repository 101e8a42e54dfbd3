"""What the engines themselves take for a message, one after another, each by its own client and nothing between.

`python -m bench.floors.engines FOLDER RATE SECONDS WARM`: FOLDER is a stack's; prints its figures as JSON. A message is
sent to Kafka and comes back by its consumer; its row and its index entry are written to Cassandra side by side, then
its head; its members are read from PostgreSQL; the gateway of one is looked up in Redis; a frame is published there and
comes back by a subscription.
"""

import asyncio
import contextlib
import functools
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cassandra.cluster import Cluster
from cassandra.query import UNSET_VALUE
from psycopg2.pool import ThreadedConnectionPool

from bench import floors, load
from bench.figures import milliseconds, percentile
from chat4all.model import ids
from chat4all.store.cassandra.statements import STORE, values
from chat4all.store.columns import HEADS, INDEX, MESSAGES
from chat4all_devtools.stack.stack import Stack

_TOPIC: Final = "bench.engines"
_CONNECTIONS: Final = 8  # to PostgreSQL
_MEMBERS: Final = "SELECT conversation_id, username FROM members WHERE conversation_id IN (%s) ORDER BY turn"

Step = Callable[[int], Coroutine[Any, Any, None]]


async def main() -> None:
    """All messages at their rate, each through every step."""
    folder, rate, seconds, warm = Path(sys.argv[1]), *map(int, sys.argv[2:])
    stack = Stack(folder)
    took: dict[str, list[float]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as open_:
        steps: dict[str, Step] = {}
        for engine in (_kafka, _cassandra, _postgresql, _redis):
            steps[engine.__name__[1:]] = await open_.enter_async_context(engine(stack))

        async def message(number: int) -> None:
            first = began = time.perf_counter()
            for name, step in steps.items():
                await step(number)
                now = time.perf_counter()
                if number >= warm:
                    took[name].append(now - began)
                began = now
            if number >= warm:
                took["all"].append(began - first)

        await _at_rate(message, rate, rate * seconds + warm)
    figures = {**milliseconds(took.pop("all")), **{f"{name}_ms": percentile(s, 50) * 1000 for name, s in took.items()}}
    floors.tell(figures)


async def _at_rate(work: Step, rate: int, count: int) -> None:
    begins = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(max(0.0, begins + number / rate - time.perf_counter()))
            tasks.create_task(work(number))


@contextlib.asynccontextmanager
async def _kafka(stack: Stack) -> AsyncIterator[Step]:
    """A record, acks=all, and the moment at which the consumer has it."""
    server = stack["kafka"].address
    admin = AIOKafkaAdminClient(bootstrap_servers=server)
    await admin.start()
    await admin.create_topics([NewTopic(_TOPIC, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=server, acks="all", enable_idempotence=True, linger_ms=0)
    consumer = AIOKafkaConsumer(bootstrap_servers=server, enable_auto_commit=False, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(_TOPIC, 0)])
    await producer.start()
    await consumer.start()
    came: dict[bytes, asyncio.Future[None]] = {}

    async def read() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    came.pop(record.key).set_result(None)

    async def step(number: int) -> None:
        key = str(number).encode()
        came[key] = arrived = asyncio.get_running_loop().create_future()
        await producer.send_and_wait(_TOPIC, load.content(number, 400).encode(), key)
        await arrived

    reading = asyncio.create_task(read())
    try:
        yield step
    finally:
        reading.cancel()
        await consumer.stop()
        await producer.stop()


@contextlib.asynccontextmanager
async def _cassandra(stack: Stack) -> AsyncIterator[Step]:
    """A row and its index entry, then a head."""
    loop = asyncio.get_running_loop()
    cluster = Cluster(["127.0.0.1"], port=stack["cassandra"].port(), protocol_version=5)
    session = cluster.connect("chat4all")
    prepared = {name: session.prepare(STORE[name]) for name in ("put_message", "put_index", "put_head")}
    chat = ids.new_id()

    def put(name: str, given: list[Any]) -> asyncio.Future[None]:
        answer: asyncio.Future[None] = loop.create_future()
        asked = session.execute_async(prepared[name], given)
        asked.add_callbacks(
            lambda _: loop.call_soon_threadsafe(answer.set_result, None),
            lambda error: loop.call_soon_threadsafe(answer.set_exception, error),
        )
        return answer

    async def step(number: int) -> None:
        id_, text, at = ids.new_id(), load.content(number), int(time.time() * 1000)
        row: dict[str, object] = {"kind": "message", "message_id": id_, "sender_id": "ana", "content": text}
        row |= {"channels": '["all"]', "created_at": at, "position": number}
        placed = {"conversation_id": chat, "seq": number, "position": number}
        await asyncio.gather(
            put("put_message", values(MESSAGES, [number // 5000, chat, number], row, UNSET_VALUE, number)),
            put("put_index", values(INDEX, [id_], placed, UNSET_VALUE, number)),
        )
        head = {"last_seq": number, "position": number, "last_at": at, "preview": text}
        await put("put_head", values(HEADS, [chat], head, UNSET_VALUE, number))

    try:
        yield step
    finally:
        await asyncio.to_thread(cluster.shutdown)


@contextlib.asynccontextmanager
async def _postgresql(stack: Stack) -> AsyncIterator[Step]:
    """The members of a conversation, in a thread as the driver blocks."""
    engine = stack["postgresql"]
    login = {"user": "chat4all", "password": engine.password.read_text(), "dbname": "chat4all"}
    pool = ThreadedConnectionPool(_CONNECTIONS, _CONNECTIONS, host="127.0.0.1", port=engine.port(), **login)
    loop = asyncio.get_running_loop()

    def read(number: int) -> None:
        connection = pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(_MEMBERS, (f"chat{number % 10}",))
                cursor.fetchall()
        finally:
            pool.putconn(connection)

    with ThreadPoolExecutor(_CONNECTIONS) as threads:

        async def step(number: int) -> None:
            await loop.run_in_executor(threads, functools.partial(read, number))

        yield step
    pool.closeall()


@contextlib.asynccontextmanager
async def _redis(stack: Stack) -> AsyncIterator[Step]:
    """Where a member is, then a frame to there."""
    engine = stack["redis"]
    client = redis.asyncio.Redis(port=engine.port(), password=engine.password.read_text(), decode_responses=True)
    subscription = client.pubsub()
    await subscription.subscribe("bench.frames")
    came: dict[str, asyncio.Future[None]] = {}

    async def read() -> None:
        async for said in subscription.listen():
            if said["type"] == "message":
                came.pop(said["data"][:7]).set_result(None)

    async def step(number: int) -> None:
        await client.zrangebyscore("bench.sessions", time.time(), "+inf")
        text = load.content(number, 400)
        came[text[:7]] = arrived = asyncio.get_running_loop().create_future()
        await client.publish("bench.frames", text)
        await arrived

    reading = asyncio.create_task(read())
    try:
        yield step
    finally:
        reading.cancel()
        await subscription.aclose()  # type: ignore[no-untyped-call] # the library has no type there
        await client.aclose()


if __name__ == "__main__":
    floors.run(main())
