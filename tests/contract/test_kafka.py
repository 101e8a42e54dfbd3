"""What is known to go wrong with Kafka, a test for each: the broker away at any time, a topic that is made again, an
outcome that nobody knows, a member that is busy while the group is shared out anew."""

import asyncio
import itertools
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from tests.engines import restart

from chat4all.log.kafka.log import KafkaLog
from chat4all.log.port import Batch, Consumer, Entry, LogRecord, OffsetOutOfRangeError, Topic
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError
from chat4all_devtools.stack.engine import Engine
from chat4all_devtools.stack.stack import Stack

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("nothing_left_open")]
T = TypeVar("T")
DEADLINE = 60.0
ANSWERS = 30.0  # seconds in which anything is answered here: a request may take one; the library's own bound is 40


@pytest.fixture(params=["kafka"])  # the name by which the summary counts
def broker(request: pytest.FixtureRequest, engines: Stack) -> Engine:
    return engines[request.param]


@pytest.fixture
def settings(broker: Engine) -> KafkaSettings:
    return KafkaSettings(
        servers=broker.address,
        replication=1,
        min_insync_replicas=1,
        request_seconds=1.0,
        session_seconds=2.0,
        heartbeat_seconds=0.1,
        drain_seconds=1.0,
    )


@pytest.fixture
async def log(settings: KafkaSettings) -> AsyncIterator[KafkaLog]:
    made = KafkaLog(settings)
    yield made
    await made.close()


@pytest.fixture
async def topic(log: KafkaLog) -> str:
    name = f"contract.{uuid.uuid4().hex}"
    await patiently(lambda: log.create([Topic(name, 2, 3600)]))
    return name


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not wanted():
            await asyncio.sleep(0.02)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer, as everybody does: one that took longer than is set may have been done."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await ask()
            except EngineUnavailableError:
                await asyncio.sleep(0.05)


async def appended(log: KafkaLog, topic: str, value: bytes) -> None:
    """Sooner or later."""
    await patiently(lambda: log.append([Entry(topic, b"key", value)]))


async def read(consumer: Consumer, count: int) -> list[LogRecord]:
    """Sooner or later, so many records."""
    found: list[LogRecord] = []
    async with asyncio.timeout(DEADLINE):
        while len(found) < count:
            try:
                batches = await consumer.poll(max_records=100, timeout=0.2)
            except EngineUnavailableError:
                continue
            found += [record for batch in batches for record in batch.records]
    return found


async def given(consumer: Consumer) -> None:
    """Poll; fails if anything is given."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                assert await consumer.poll(max_records=100, timeout=0.2) == []
            except EngineUnavailableError:
                await asyncio.sleep(0.05)


async def test_while_the_broker_is_away_everything_says_so_in_time_and_goes_on_when_it_is_back(
    broker: Engine, log: KafkaLog, topic: str, settings: KafkaSettings
) -> None:
    await appended(log, topic, b"before")
    consumer = log.consumer("group", topic)
    assert [one.value for one in await read(consumer, 1)] == [b"before"]
    broker.signal(signal.SIGKILL)
    await until(lambda: not broker.alive)
    late = KafkaLog(settings)  # a process that starts meanwhile
    for each in (log, late):
        for call in (
            each.append([Entry(topic, b"key", b"refused")]),
            each.partitions(topic),
            each.create([Topic(f"{topic}.other", 1, 3600)]),
            each.read(topic, 0, offset=0, limit=1),
        ):
            async with asyncio.timeout(ANSWERS):
                with pytest.raises(EngineUnavailableError):
                    await call
    async with asyncio.timeout(ANSWERS):
        with pytest.raises(EngineUnavailableError):
            await late.consumer("late", topic).poll(max_records=1, timeout=DEADLINE)
    await asyncio.to_thread(restart, broker)
    await appended(late, topic, b"after")
    await appended(log, topic, b"again")
    values: list[bytes] = []
    while b"again" not in values:
        values += [one.value for one in await read(consumer, 1)]
    # A broker that takes long to come back has forgotten its members, and what is not committed is given again.
    assert [one for one in values if one not in {b"refused", b"before"}] == [b"after", b"again"]
    late_values: list[bytes] = []
    other = late.consumer("late", topic)
    while b"again" not in late_values:
        late_values += [one.value for one in await read(other, 1)]
    assert [one for one in late_values if one != b"refused"] == [b"before", b"after", b"again"]
    await late.close()


async def test_a_cluster_that_has_no_controller_for_a_moment_is_unavailable(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a broker has hung. Whoever makes a topic then tries again, and does not end."""
    log = KafkaLog(settings.model_copy(update={"request_seconds": 30.0}))
    name = f"contract.{uuid.uuid4().hex}"
    with monkeypatch.context() as nobody:
        nobody.setattr(ClusterMetadata, "controller", property(lambda _: None, lambda *_: None), raising=False)
        with pytest.raises(EngineUnavailableError, match="no controller"):
            await log.create([Topic(name, 1, 3600)])
    await log.create([Topic(name, 1, 3600)])
    assert await log.partitions(name) == 1
    await log.close()


async def test_after_a_time_out_the_outcome_is_unknown_and_it_is_there_at_most_once(
    broker: Engine, log: KafkaLog, topic: str
) -> None:
    await appended(log, topic, b"first")
    broker.signal(signal.SIGSTOP)
    try:
        for n in range(3):
            async with asyncio.timeout(ANSWERS):
                with pytest.raises(EngineUnavailableError):
                    await log.append([Entry(topic, b"key", b"perhaps %d" % n)])
    finally:
        broker.signal(signal.SIGCONT)
    await appended(log, topic, b"last")
    consumer = log.consumer("group", topic)
    values: list[bytes] = []
    while b"last" not in values:
        values += [one.value for one in await read(consumer, 1)]
    assert len(set(values)) == len(values), "each at most once, also one that was cut off"
    assert (values[0], values[-1]) == (b"first", b"last")


async def test_a_topic_that_is_made_again_stops_its_readers_and_nothing_is_skipped(
    broker: Engine, log: KafkaLog, topic: str
) -> None:
    identity = await patiently(lambda: log.identity(topic))
    for n in range(5):
        await appended(log, topic, b"old %d" % n)
    consumer = log.consumer("group", topic)
    await read(consumer, 5)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    try:
        await admin.start()
        await admin.delete_topics([topic])
    finally:
        await admin.close()
    async with asyncio.timeout(DEADLINE):
        while await patiently(lambda: log.identity(topic)):
            await asyncio.sleep(0.05)
        await patiently(lambda: log.create([Topic(topic, 2, 3600)]))
    assert await patiently(lambda: log.identity(topic)) not in {identity, ""}
    other = KafkaLog(log._settings)
    for n in range(50):  # more than there were: the reader's place is in the middle of them
        await appended(other, topic, b"new %d" % n)
    with pytest.raises(OffsetOutOfRangeError):
        await given(consumer)
    await other.close()


async def test_a_member_that_is_busy_finishes_and_commits_before_its_partitions_move(
    settings: KafkaSettings, topic: str
) -> None:
    patient = settings.model_copy(update={"drain_seconds": 30.0, "request_seconds": 30.0, "session_seconds": 30.0})
    log, other = KafkaLog(patient), KafkaLog(patient)
    await log.append([Entry(topic, b"%d" % n, b"%d" % n) for n in range(40)])
    busy = log.consumer("group", topic)
    batches: list[Batch] = []
    async with asyncio.timeout(DEADLINE):
        while not batches:
            batches = await busy.poll(max_records=100, timeout=1)
    newcomer = other.consumer("group", topic)
    joining = asyncio.create_task(newcomer.poll(max_records=1, timeout=DEADLINE))
    await until(lambda: busy._draining)  # the group is being shared out anew
    done = {batch.assignment: batch.records[-1].offset + 1 for batch in batches}
    assert await busy.commit(done) == frozenset(), "it is still the owner of what it is at"
    async with asyncio.timeout(DEADLINE):
        while len(busy.assignments()) + len(newcomer.assignments()) != 2 or not newcomer.assignments():
            await busy.poll(max_records=1, timeout=0.05)
            await asyncio.sleep(0.02)
    joining.cancel()
    await asyncio.gather(joining, return_exceptions=True)
    await other.close()
    await log.close()


GIVEN_UP: Final[Mapping[str, Callable[[KafkaLog, str], Awaitable[object]]]] = {
    "append": lambda log, topic: log.append([Entry(topic, b"key", b"value")]),
    "create": lambda log, topic: log.create([Topic(topic, 1, 3600.0)]),
    "describe": lambda log, _: log.describe(),
    "read": lambda log, topic: log.read(topic, 0, offset=0, limit=1),
}


@pytest.mark.parametrize("question", [1, 2])  # for versions, for metadata
@pytest.mark.parametrize("what", GIVEN_UP)
async def test_who_gives_up_while_it_connects_leaves_nothing_open(
    settings: KafkaSettings, topic: str, what: str, question: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has left is found by the fixture."""
    log = KafkaLog(settings.model_copy(update={"request_seconds": 30.0}), [Topic(topic, 2, 3600.0)])
    asked, is_asked, send = itertools.count(1), asyncio.Event(), AIOKafkaConnection.send
    if what == "read":
        assert await log.partitions(topic) == 2  # by the producer, which is connected then

    def sends(connection: AIOKafkaConnection, *given: Any, **more: Any) -> Awaitable[Any]:
        answer: Awaitable[Any] = send(connection, *given, **more)
        if next(asked) == question:
            is_asked.set()
        return answer

    monkeypatch.setattr(AIOKafkaConnection, "send", sends)
    asking = asyncio.ensure_future(GIVEN_UP[what](log, topic))
    async with asyncio.timeout(DEADLINE):
        await is_asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    await log.close()
