"""What every twin of the log must do, as its port says: places, order, durability, groups, and nothing skipped.

The router's promise rests on it: a record that was acknowledged is read, in its key's order, at least once, and a
consumer that lost a partition can no longer move the group's offset. Only the last section is about one twin alone.
"""

import asyncio
import itertools
import shutil
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engines import restart

from chat4all.log.embedded import EmbeddedLog
from chat4all.log.kafka.log import KafkaLog
from chat4all.log.port import (
    Appended,
    Assignment,
    Consumer,
    Entry,
    Log,
    LogRecord,
    OffsetOutOfRangeError,
    Topic,
    outbound_topic,
)
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError
from chat4all_devtools.stack.engine import Engine
from chat4all_devtools.stack.stack import Stack

DEADLINE = 60.0  # until something that must happen has happened
QUIET = 0.02  # a poll that is to find nothing
HOUR = 3600.0
PARTITIONS = 4
LONGEST = f"{'n' * 63}.{'c' * 40}"  # id of a connector: the longest names that a namespace and a connector may have
KEYS = [b"key %d" % number for number in range(24)]  # enough for every partition to have some


class Twin(Protocol):
    """What a twin gives to its tests. `session`: a member that is silent for longer is expelled."""

    session: float

    @property
    def log(self) -> Log: ...
    async def advance(self, seconds: float) -> None: ...
    async def reopen(self) -> None: ...
    async def crash(self) -> None: ...


class EmbeddedTwin:
    """A log in a folder of its own. `crash` goes on with a copy of the files as they are while the log is open."""

    session = 6.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._now = 1000.0
        self._open: list[EmbeddedLog] = []

    @property
    def log(self) -> EmbeddedLog:
        return self._open[-1]

    async def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        log = EmbeddedLog(self._folder / "log.db", clock=lambda: self._now)
        await log.open()
        self._open.append(log)

    async def advance(self, seconds: float) -> None:
        self._now += seconds

    async def reopen(self) -> None:
        await self._open.pop().close()
        await self.start()

    async def crash(self) -> None:
        copy = self._folder.with_name(f"{self._folder.name}-copy")
        shutil.copytree(self._folder, copy)
        self._folder = copy
        await self.start()

    async def close(self) -> None:
        for log in self._open:
            await log.close()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedTwin]:
    twin = EmbeddedTwin(tmp_path / "log")
    await twin.start()
    yield twin
    await twin.close()


class KafkaTwin:
    """The log on a real broker. Time passes as it does, so a silent member is expelled after two seconds.

    `crash`: the broker is killed and started again.
    """

    session = 2.0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._settings = KafkaSettings(
            servers=engine.address,
            replication=1,
            min_insync_replicas=1,
            session_seconds=self.session,
            heartbeat_seconds=0.1,
            round_seconds=self.session,
            drain_seconds=1.0,
            request_seconds=30.0,  # it answers in moments, or, on a machine that is very busy, when it does
        )
        self._open = [KafkaLog(self._settings)]

    @property
    def log(self) -> KafkaLog:
        return self._open[-1]

    async def advance(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def reopen(self) -> None:
        await self._open.pop().close()
        self._open.append(KafkaLog(self._settings))

    async def crash(self) -> None:
        await self._open.pop().close()
        await asyncio.to_thread(restart, self._engine)
        self._open.append(KafkaLog(self._settings))

    async def close(self) -> None:
        """A broker keeps files open for every partition that it has: nothing of a test stays."""
        for log in self._open:
            await log.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=self._engine.address)
        try:
            await admin.start()
            mine = ("contract.", outbound_topic(LONGEST).name)
            await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(mine)])
        finally:
            await admin.close()


@pytest.fixture
async def kafka(engines: Stack) -> AsyncIterator[KafkaTwin]:
    twin = KafkaTwin(engines["kafka"])
    yield twin
    await twin.close()


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.engine)])
def twin(request: pytest.FixtureRequest) -> Twin:
    found: Twin = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def topic(twin: Twin) -> str:
    return await make(twin.log)


async def make(log: Log, partitions: int = PARTITIONS, retention: float = HOUR) -> str:
    """A topic that no other test uses."""
    name = f"contract.{uuid.uuid4().hex}"
    await log.create([Topic(name, partitions, retention)])
    return name


async def test_a_connector_with_the_longest_id_has_a_topic_and_a_group(twin: Twin) -> None:
    topic = outbound_topic(LONGEST)
    assert len(topic.name) <= 249, "Kafka takes no longer ones"
    await twin.log.create([topic])
    assert await twin.log.partitions(topic.name) == 6
    await fill(twin.log, topic.name, count=12)
    consumer = twin.log.consumer(f"chat4all.connector.{LONGEST}", topic.name)
    got = await read(consumer, 12)
    await consumer.commit({assignment: records[-1].offset + 1 for assignment, records in got.items()})
    await consumer.close()
    again = twin.log.consumer(f"chat4all.connector.{LONGEST}", topic.name)
    assert await again.poll(max_records=1, timeout=QUIET) == []
    await again.close()


async def fill(log: Log, topic: str, count: int = 96, keys: Iterable[bytes] = KEYS) -> dict[int, list[bytes]]:
    """Append numbered entries, the keys by turns. Returns what each partition got, in order."""
    entries = [Entry(topic, key, b"%d" % n) for n, key in zip(range(count), itertools.cycle(keys), strict=False)]
    held = defaultdict(list)
    for entry, place in zip(entries, await log.append(entries), strict=True):
        held[place.partition].append(entry.value)
    return dict(held)


async def read(consumer: Consumer, count: int, max_records: int = 1000) -> dict[Assignment, list[LogRecord]]:
    """Poll until `count` records came, and see that no further ones do."""
    got: dict[Assignment, list[LogRecord]] = defaultdict(list)
    async with asyncio.timeout(DEADLINE):
        while sum(len(records) for records in got.values()) < count:
            for batch in await consumer.poll(max_records=max_records, timeout=1.0):
                assert batch.records
                got[batch.assignment].extend(batch.records)
    assert await consumer.poll(max_records=max_records, timeout=QUIET) == []
    return dict(got)


def values(got: dict[Assignment, list[LogRecord]]) -> dict[int, list[bytes]]:
    return {assignment.partition: [record.value for record in records] for assignment, records in got.items()}


async def settle(*members: Consumer, partitions: int = PARTITIONS) -> None:
    """Poll by turns until the members own the whole topic between them, each partition once."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for member in members:
                await member.poll(max_records=1, timeout=QUIET)
            owned = [member.assignments() for member in members]
            busy = sum(map(bool, owned)) >= min(len(members), partitions)
            if busy and sorted(a.partition for some in owned for a in some) == list(range(partitions)):
                return


# Topics and appending


async def test_a_topic_has_the_partitions_it_was_made_with_for_ever(twin: Twin, topic: str) -> None:
    assert await twin.log.partitions("contract.nothing-of-that-name") == 0
    places = await twin.log.append([Entry(topic, b"key", b"value")])
    await twin.log.create([Topic(topic, PARTITIONS * 2, HOUR), Topic(f"{topic}.new", 2, HOUR)])
    assert await twin.log.partitions(topic) == PARTITIONS
    assert await twin.log.partitions(f"{topic}.new") == 2
    assert await twin.log.append([Entry(topic, b"key", b"value")]) == [Appended(places[0].partition, 1)]
    await twin.reopen()
    assert await twin.log.partitions(topic) == PARTITIONS


async def test_offsets_are_dense_from_nought_and_a_key_stays_in_its_partition(twin: Twin, topic: str) -> None:
    taken = defaultdict(list)
    home: dict[bytes, int] = {}
    for size in (1, 30, 1, 0, 7):
        entries = [Entry(topic, KEYS[n % len(KEYS)], b"") for n in range(size)]
        for entry, place in zip(entries, await twin.log.append(entries), strict=True):
            taken[place.partition].append(place.offset)
            assert home.setdefault(entry.key, place.partition) == place.partition
        await twin.reopen()
    assert set(taken) == set(range(PARTITIONS))
    assert all(offsets == list(range(len(offsets))) for offsets in taken.values())


async def test_an_append_may_span_topics(twin: Twin) -> None:
    one, two = await make(twin.log, 1), await make(twin.log, 1)
    places = await twin.log.append([Entry(one, b"k", b"1"), Entry(two, b"k", b"2"), Entry(one, b"k", b"3")])
    assert places == [Appended(0, 0), Appended(0, 0), Appended(0, 1)]


@pytest.mark.parametrize("at", [0, 1, 2], ids=["first", "in between", "last"])
async def test_an_append_to_a_topic_that_is_not_there_leaves_nothing(twin: Twin, at: int) -> None:
    topic = await make(twin.log, 1)
    entries = [Entry(topic, b"key", b"lost"), Entry(topic, b"key", b"lost")]
    entries.insert(at, Entry(f"{topic}.missing", b"key", b"lost"))
    with pytest.raises(LookupError):
        await twin.log.append(entries)
    assert await twin.log.append([Entry(topic, b"key", b"kept")]) == [Appended(0, 0)]
    assert values(await read(twin.log.consumer("group", topic), 1)) == {0: [b"kept"]}


ROUND_TRIPS = {
    "text": (b"key", "olá 🙂".encode(), ()),
    "empty value": (b"key", b"", ()),
    "empty key": (b"", b"value", ()),
    "every byte": (bytes(range(256)), bytes(range(256)), (("raw", bytes(range(256))),)),
    "a mebibyte less its frame": (b"key", b"\x00\xff" * 500_000, ()),
    "headers in order, one twice, one empty": (b"key", b"value", (("b", b"1"), ("a", b""), ("b", b"2"))),
    "header name in another script": (b"key", b"value", (("cabeçalho", b"1"),)),
}


@pytest.mark.parametrize(("key", "value", "headers"), ROUND_TRIPS.values(), ids=ROUND_TRIPS)
async def test_a_record_is_read_as_it_was_written(
    twin: Twin, topic: str, key: bytes, value: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    before = int(time.time() * 1000)
    [place] = await twin.log.append([Entry(topic, key, value, headers)])
    after = time.time() * 1000
    [(assignment, [record])] = (await read(twin.log.consumer("group", topic), 1)).items()
    assert (assignment.topic, assignment.partition) == (topic, place.partition)
    assert record == LogRecord(place.offset, record.timestamp, key, value, headers)
    assert before <= record.timestamp <= after


async def test_concurrent_appends_all_get_places_of_their_own(twin: Twin, topic: str) -> None:
    appends = [[Entry(topic, KEYS[n % 7], b"%d.%d" % (n, m)) for m in range(1 + n % 3)] for n in range(500)]
    consumer = twin.log.consumer("group", topic)
    reading = asyncio.create_task(read(consumer, sum(map(len, appends))))  # meanwhile: no gap is ever seen
    answers = await asyncio.gather(*map(twin.log.append, appends))
    said = {
        (place.partition, place.offset): entry.value
        for entries, places in zip(appends, answers, strict=True)
        for entry, place in zip(entries, places, strict=True)
    }
    got = await reading
    assert {(a.partition, r.offset): r.value for a, records in got.items() for r in records} == said
    assert all([r.offset for r in records] == list(range(len(records))) for records in got.values())


@pytest.mark.parametrize("again", ["reopen", "crash"])
async def test_what_was_appended_and_committed_is_there_afterwards(twin: Twin, topic: str, again: str) -> None:
    held = await fill(twin.log, topic)
    before = await read(twin.log.consumer("group", topic), 96)
    halfway = twin.log.consumer("halfway", topic)
    assert not await halfway.commit(dict.fromkeys(await read(halfway, 96), 3))
    await (twin.crash() if again == "crash" else twin.reopen())
    after = await read(twin.log.consumer("group", topic), 96)
    assert sorted(map(repr, after.values())) == sorted(map(repr, before.values()))
    rest = {partition: some[3:] for partition, some in held.items()}
    assert values(await read(twin.log.consumer("halfway", topic), sum(map(len, rest.values())))) == rest
    [place] = await twin.log.append([Entry(topic, KEYS[0], b"next")])
    assert place.offset == len(held[place.partition])


async def test_what_was_acknowledged_while_the_log_went_away_is_there_afterwards(twin: Twin, topic: str) -> None:
    tasks = [asyncio.create_task(twin.log.append([Entry(topic, KEYS[0], b"%d" % n)])) for n in range(200)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    async with asyncio.timeout(DEADLINE):
        await twin.reopen()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    known = {places[0].offset: b"%d" % n for n, places in enumerate(answers) if isinstance(places, list)}
    assert known
    assert all(isinstance(answer, list | EngineUnavailableError) for answer in answers)
    [end] = await twin.log.append([Entry(topic, KEYS[0], b"end")])
    [records] = (await read(twin.log.consumer("group", topic), end.offset + 1)).values()
    assert known.items() <= {record.offset: record.value for record in records}.items()


# Reading, committing, seeking


async def test_anybody_may_look_without_a_group(twin: Twin, topic: str) -> None:
    filled = await fill(twin.log, topic)
    for partition, values in filled.items():
        found = [one for start in (0, 5) for one in await twin.log.read(topic, partition, offset=start, limit=5)]
        assert [(one.offset, one.value) for one in found] == list(enumerate(values))[:10]
        assert await twin.log.read(topic, partition, offset=len(values), limit=5) == []
    assert await twin.log.read(topic, 999, offset=0, limit=5) == []
    assert await twin.log.read("contract.none", 0, offset=0, limit=5) == []


async def test_a_group_starts_at_the_beginning_then_where_it_committed_and_each_for_itself(twin: Twin) -> None:
    topic, other = await make(twin.log), await make(twin.log)
    held, elsewhere = await fill(twin.log, topic), await fill(twin.log, other)
    first = twin.log.consumer("first", topic)
    assert first.assignments() == frozenset()
    got = await read(first, 96)
    assert values(got) == held
    assert first.assignments() == got.keys()
    assert await first.commit({a: len(records) for a, records in got.items()}) == frozenset()
    await first.close()
    assert values(await read(twin.log.consumer("second", topic), 96)) == held
    assert values(await read(twin.log.consumer("first", other), 96)) == elsewhere
    more = await fill(twin.log, topic, 48)
    assert values(await read(twin.log.consumer("first", topic), 48)) == more


@pytest.mark.parametrize("committed", [(), (5,), (5, 2), (5, 0), (5, 2, 4)], ids=repr)
async def test_the_last_commit_counts_also_a_lower_one(twin: Twin, committed: tuple[int, ...]) -> None:
    topic = await make(twin.log, 1)
    held = await fill(twin.log, topic, 6)
    consumer = twin.log.consumer("group", topic)
    [assignment] = await read(consumer, 6)
    assert await consumer.commit({}) == frozenset()
    for offset in committed:
        assert await consumer.commit({assignment: offset}) == frozenset()
    start = committed[-1] if committed else 0
    assert await consumer.lag() == {assignment: 6 - start}
    assert await consumer.poll(max_records=10, timeout=QUIET) == []  # a commit does not move the reader
    await consumer.close()
    again = twin.log.consumer("group", topic)
    assert values(await read(again, 6 - start)) == {0: held[0][start:]}
    assert list((await again.lag()).values()) == [6 - start]


@pytest.mark.parametrize("most", [1, 3, 7, 1000])
async def test_a_poll_gives_no_more_than_was_asked_for(twin: Twin, topic: str, most: int) -> None:
    held = await fill(twin.log, topic)
    consumer = twin.log.consumer("group", topic)
    got: dict[int, list[bytes]] = defaultdict(list)
    async with asyncio.timeout(DEADLINE):
        while sum(len(some) for some in got.values()) < 96:
            batches = await consumer.poll(max_records=most, timeout=1.0)
            assert 0 <= sum(len(batch.records) for batch in batches) <= most
            for batch in batches:
                got[batch.assignment.partition] += [record.value for record in batch.records]
    assert got == held


@pytest.mark.parametrize("most", [1, 2, 10])
async def test_a_busy_partition_does_not_keep_the_others_waiting(twin: Twin, topic: str, most: int) -> None:
    await fill(twin.log, topic, 200, KEYS[:1])
    held = await fill(twin.log, topic, len(KEYS))
    [busy] = [place.partition for place in await twin.log.append([Entry(topic, KEYS[0], b"")])]
    missing = {value for partition, some in held.items() if partition != busy for value in some}
    consumer = twin.log.consumer("group", topic)
    for _ in range(2 * len(KEYS)):  # each poll, the busy partition gets as much again as is read
        await twin.log.append([Entry(topic, KEYS[0], b"")] * most)
        for batch in await consumer.poll(max_records=most, timeout=1.0):
            missing -= {record.value for record in batch.records}
    assert not missing


async def test_a_poll_waits_for_what_is_appended_and_returns_with_it(twin: Twin, topic: str) -> None:
    consumer = twin.log.consumer("group", topic)
    assert await consumer.poll(max_records=1, timeout=QUIET) == []
    for turn in range(50):  # the append comes at another moment of the poll every time
        poll = asyncio.create_task(consumer.poll(max_records=1, timeout=10 * DEADLINE))
        for _ in range(turn):
            await asyncio.sleep(0)
        await twin.log.append([Entry(topic, KEYS[turn % len(KEYS)], b"%d" % turn)])
        [batch] = await asyncio.wait_for(poll, DEADLINE)
        assert [record.value for record in batch.records] == [b"%d" % turn]


async def test_seeking_back_gives_the_same_records_again(twin: Twin, topic: str) -> None:
    await fill(twin.log, topic)
    consumer = twin.log.consumer("group", topic)
    first = await read(consumer, 96)
    for assignment in first:
        consumer.seek(assignment, 2)
    expected = {assignment: records[2:] for assignment, records in first.items()}
    assert await read(consumer, 96 - 2 * PARTITIONS) == expected


async def test_a_paused_partition_gives_nothing_and_is_still_owned(twin: Twin, topic: str) -> None:
    held = await fill(twin.log, topic)
    consumer = twin.log.consumer("group", topic)
    got = await read(consumer, 96)
    paused = min(got, key=lambda assignment: assignment.partition)
    consumer.pause(paused)
    more = await fill(twin.log, topic)
    rest = {partition: some for partition, some in more.items() if partition != 0}
    assert values(await read(consumer, sum(map(len, rest.values())))) == rest
    assert paused in consumer.assignments()
    assert await consumer.commit({paused: 1}) == frozenset()
    assert (await consumer.lag())[paused] == len(held[0]) + len(more[0]) - 1


async def test_a_pause_and_a_cached_assignment_end_with_the_next_assignment(twin: Twin, topic: str) -> None:
    consumer, other = (twin.log.consumer("group", topic) for _ in range(2))
    await settle(consumer)
    before = consumer.assignments()
    for assignment in before:
        consumer.pause(assignment)
    await settle(consumer, other)
    await other.close()
    await settle(consumer)
    for assignment in before:  # neither does anything to the partitions as they are owned now
        consumer.pause(assignment)
        consumer.seek(assignment, 10**9)
    held = await fill(twin.log, topic)
    assert values(await read(consumer, 96)) == held
    assert await consumer.commit(dict.fromkeys(before, 1)) == before


@pytest.mark.parametrize("how", ["seek", "commit"])
async def test_an_offset_beyond_the_end_is_an_error_until_another_is_sought(twin: Twin, topic: str, how: str) -> None:
    held = await fill(twin.log, topic)
    consumer = twin.log.consumer("group", topic)
    got = await read(consumer, 96)
    [wrong] = [assignment for assignment in got if assignment.partition == 0]
    if how == "seek":
        consumer.seek(wrong, len(held[0]) + 1)
    else:
        await consumer.commit({wrong: len(held[0]) + 1})
        await consumer.close()
        consumer = twin.log.consumer("group", topic)
    for _ in range(2):
        with pytest.raises(OffsetOutOfRangeError) as caught:
            await stuck(consumer)
        wrong = caught.value.assignment
        assert (wrong.topic, wrong.partition) == (topic, 0)
        assert wrong in consumer.assignments()
    for assignment in consumer.assignments():
        consumer.seek(assignment, 0)
    assert values(await read(consumer, 96)) == held


async def stuck(consumer: Consumer) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            await consumer.poll(max_records=1000, timeout=QUIET)


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("partition", range(PARTITIONS))
async def test_a_partition_that_cannot_be_read_is_paused_and_the_others_lose_nothing(
    twin: Twin, topic: str, partition: int, most: int
) -> None:
    held = await fill(twin.log, topic)
    consumer = twin.log.consumer("group", topic)
    [wrong] = [assignment for assignment in await read(consumer, 96) if assignment.partition == partition]
    for assignment in consumer.assignments():
        consumer.seek(assignment, 0 if assignment != wrong else 10**6)
    got: dict[int, list[bytes]] = defaultdict(list)

    async def poll_until(count: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while sum(len(some) for some in got.values()) < count:
                for batch in await consumer.poll(max_records=most, timeout=QUIET):
                    got[batch.assignment.partition] += [record.value for record in batch.records]

    with pytest.raises(OffsetOutOfRangeError):
        await poll_until(97)  # more than there are
    consumer.pause(wrong)
    await poll_until(96 - len(held[partition]))
    assert got == {other: some for other, some in held.items() if other != partition}


async def test_the_end_itself_is_not_beyond_the_end(twin: Twin) -> None:
    topic = await make(twin.log, 1)
    await fill(twin.log, topic, 3)
    consumer = twin.log.consumer("group", topic)
    [assignment] = await read(consumer, 3)
    consumer.seek(assignment, 3)
    assert await consumer.poll(max_records=10, timeout=QUIET) == []
    await twin.log.append([Entry(topic, b"key", b"next")])
    assert values(await read(consumer, 1)) == {0: [b"next"]}


# Groups


@pytest.mark.parametrize(("partitions", "members"), [(4, 1), (4, 2), (4, 3), (5, 4), (2, 3)])
async def test_the_members_of_a_group_share_the_partitions(twin: Twin, partitions: int, members: int) -> None:
    topic = await make(twin.log, partitions)
    twin.log.consumer("group", topic)  # never polls, so it is given nothing
    group = [twin.log.consumer("group", topic) for _ in range(members)]
    await settle(*group, partitions=partitions)
    held = await fill(twin.log, topic)
    got: dict[int, list[bytes]] = {}
    for member in group:
        share = sum(len(held.get(assignment.partition, ())) for assignment in member.assignments())
        mine = values(await read(member, share))
        assert not mine.keys() & got.keys()
        got |= mine
    assert got == held


async def test_a_partition_given_again_is_another_assignment(twin: Twin, topic: str) -> None:
    consumer, other = (twin.log.consumer("group", topic) for _ in range(2))
    seen: set[Assignment] = set()
    for members in ([consumer], [consumer, other], [consumer]):
        await settle(*members)
        fresh = set().union(*(member.assignments() for member in members))
        await settle(*members)  # nobody came or went: nothing is given again
        assert fresh == set().union(*(member.assignments() for member in members))
        assert len(fresh) == PARTITIONS
        assert not fresh & seen
        seen |= fresh
        if other in members:
            await other.close()


async def test_what_a_newcomer_owns_the_former_owner_cannot_commit(twin: Twin, topic: str) -> None:
    held = await fill(twin.log, topic)
    former, newcomer = (twin.log.consumer("group", topic) for _ in range(2))
    before = await read(former, 96)
    got: dict[Assignment, list[LogRecord]] = defaultdict(list)
    async with asyncio.timeout(DEADLINE):
        while not got:
            for batch in await newcomer.poll(max_records=1000, timeout=QUIET):
                got[batch.assignment].extend(batch.records)
    moved = {a for a in before if a.partition in {assignment.partition for assignment in newcomer.assignments()}}
    assert moved <= await former.commit(dict.fromkeys(before, 5))
    assert all(held[a.partition][: len(records)] == [r.value for r in records] for a, records in got.items())
    await former.close()
    await newcomer.close()
    after = values(await read(twin.log.consumer("group", topic), 96))
    assert all(after[assignment.partition] == held[assignment.partition] for assignment in moved)


async def test_a_silent_member_is_expelled_and_its_commit_is_ignored(twin: Twin, topic: str) -> None:
    silent, lively = (twin.log.consumer("group", topic) for _ in range(2))
    await settle(silent, lively)
    held = await fill(twin.log, topic)
    before = silent.assignments()
    await read(silent, sum(len(held[assignment.partition]) for assignment in before))
    await twin.advance(twin.session + 1)
    assert values(await read(lively, 96)) == held
    assert await silent.commit(dict.fromkeys(before, 3)) == before
    done = lively.assignments()
    assert await lively.commit({a: len(held[a.partition]) for a in done}) == frozenset()
    assert await silent.commit(dict.fromkeys(before, 1)) == before
    await settle(silent, lively)
    assert silent.assignments()
    assert not silent.assignments() & before
    more = await fill(twin.log, topic, 48)
    got = [values(await read(m, sum(len(more[a.partition]) for a in m.assignments()))) for m in (silent, lively)]
    assert got[0] | got[1] == more


async def test_a_member_that_polls_stays(twin: Twin, topic: str) -> None:
    members = [twin.log.consumer("group", topic) for _ in range(2)]
    await settle(*members)
    before = [member.assignments() for member in members]
    for _ in range(4):
        await twin.advance(twin.session / 2)
        for member in members:
            await member.poll(max_records=1, timeout=QUIET)
    assert [member.assignments() for member in members] == before


async def test_lag_is_what_the_group_has_not_committed(twin: Twin, topic: str) -> None:
    consumer = twin.log.consumer("group", topic)
    assert await consumer.lag() == {}
    held = await fill(twin.log, topic)
    got = await read(consumer, 96)
    assert await consumer.lag() == {a: len(held[a.partition]) for a in got}
    await consumer.commit({a: len(held[a.partition]) - a.partition for a in got})
    assert await consumer.lag() == {a: a.partition for a in got}
    other = twin.log.consumer("group", topic)
    await settle(consumer, other)
    assert {**await consumer.lag(), **await other.lag()} == {
        a: a.partition for member in (consumer, other) for a in member.assignments()
    }


STEPS = st.one_of(
    st.tuples(st.just("append"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=8)),
    st.tuples(st.just("poll"), st.tuples(st.integers(0, 1), st.integers(1, 9))),
    st.tuples(st.just("commit"), st.tuples(st.integers(0, 1), st.integers(0, 3))),
    st.tuples(st.just("leave"), st.tuples(st.integers(0, 1), st.just(0))),
)


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=40))
async def test_whatever_a_group_does_it_reads_every_record_of_a_key_in_order(twin: Twin, steps: list[Any]) -> None:
    topic = await make(twin.log)
    group = [twin.log.consumer("group", topic) for _ in range(2)]
    written: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    committed: dict[int, int] = defaultdict(int)
    reader: dict[Assignment, int] = {}  # the next offset of each assignment that gave records
    seen: dict[int, set[int]] = defaultdict(set)

    async def poll(member: Consumer, most: int) -> int:
        batches = await member.poll(max_records=most, timeout=0)
        for batch in batches:
            partition = batch.assignment.partition
            start = reader.get(batch.assignment, committed[partition])
            assert [record.offset for record in batch.records] == list(range(start, start + len(batch.records)))
            assert [(r.key, r.value) for r in batch.records] == written[partition][start : start + len(batch.records)]
            reader[batch.assignment] = start + len(batch.records)
            seen[partition] |= {record.offset for record in batch.records}
        return len(batches)

    for number, (kind, details) in enumerate(steps):
        if kind == "append":
            entries = [Entry(topic, key, b"%d.%d" % (number, n)) for n, key in enumerate(details)]
            for entry, place in zip(entries, await twin.log.append(entries), strict=True):
                assert place.offset == len(written[place.partition])
                written[place.partition].append((entry.key, entry.value))
            continue
        member = group[details[0]]
        if kind == "poll":
            await poll(member, details[1])
        elif kind == "commit":  # of what was read, or of some less
            offsets = {a: max(0, reader[a] - details[1]) for a in member.assignments() & reader.keys()}
            lost = await member.commit(offsets)
            committed |= {a.partition: offset for a, offset in offsets.items() if a not in lost}
        else:
            await member.close()
            group[details[0]] = twin.log.consumer("group", topic)
    async with asyncio.timeout(DEADLINE):
        while any(len(seen[partition]) < len(records) for partition, records in written.items()):
            for member in group:
                await poll(member, 100)
    assert len({key for records in written.values() for key, _ in records}) == sum(
        len({key for key, _ in records}) for records in written.values()
    )
    for member in group:
        await member.close()


# The embedded log alone


async def test_embedded_concurrent_appends_share_a_sync(embedded: EmbeddedTwin) -> None:
    topic = await make(embedded.log)
    before = embedded.log.syncs
    await asyncio.gather(*(embedded.log.append([Entry(topic, KEYS[n % 9], b"value")]) for n in range(300)))
    assert 1 <= embedded.log.syncs - before <= 100


async def trimmed(embedded: EmbeddedTwin, expected: int) -> None:
    """Trim until so many records went: what was just appended is not yet older than a retention of nought."""
    gone = 0
    async with asyncio.timeout(DEADLINE):
        while gone < expected:
            gone += await embedded.log.trim()
    assert gone == expected
    assert await embedded.log.trim() == 0


async def test_embedded_trim_keeps_what_is_younger_than_the_retention(embedded: EmbeddedTwin) -> None:
    young, old = await make(embedded.log), await make(embedded.log, retention=0.0)
    held = await fill(embedded.log, young)
    await fill(embedded.log, old)
    await trimmed(embedded, 96)
    assert values(await read(embedded.log.consumer("group", young), 96)) == held
    assert await embedded.log.consumer("group", old).poll(max_records=10, timeout=QUIET) == []


@pytest.mark.parametrize("again", [False, True], ids=["still open", "reopened"])
async def test_embedded_trim_keeps_what_a_group_needs(embedded: EmbeddedTwin, again: bool) -> None:
    topic = await make(embedded.log, 1, 0.0)
    held = await fill(embedded.log, topic, 9)
    for group, offset in (("ahead", 9), ("behind", 4)):
        consumer = embedded.log.consumer(group, topic)
        [assignment] = await read(consumer, 9)
        await consumer.commit({assignment: offset})
        await consumer.close()
    if again:
        await embedded.reopen()
    await trimmed(embedded, 4)
    behind = embedded.log.consumer("behind", topic)
    got = await read(behind, 5)
    assert values(got) == {0: held[0][4:]}
    await behind.commit(dict.fromkeys(got, 9))
    await trimmed(embedded, 5)


async def test_embedded_trim_keeps_all_for_a_group_that_has_not_committed(embedded: EmbeddedTwin) -> None:
    topic, unread = await make(embedded.log, 1, 0.0), await make(embedded.log, 1, 0.0)
    held = await fill(embedded.log, topic, 9)
    consumer = embedded.log.consumer("group", topic)
    [batch] = await consumer.poll(max_records=1, timeout=1.0)
    await fill(embedded.log, unread, 1)
    await trimmed(embedded, 1)  # the younger record of the other topic
    consumer.seek(batch.assignment, 0)
    assert values(await read(consumer, 9)) == held


@pytest.mark.parametrize("again", [False, True], ids=["still open", "reopened"])
async def test_embedded_offsets_go_on_after_a_trim_and_those_trimmed_away_are_errors(
    embedded: EmbeddedTwin, again: bool
) -> None:
    topic = await make(embedded.log, 1, 0.0)
    await fill(embedded.log, topic, 9)
    done = embedded.log.consumer("done", topic)
    await done.commit(dict.fromkeys(await read(done, 9), 9))
    await done.close()
    await trimmed(embedded, 9)
    if again:
        await embedded.reopen()
    assert await embedded.log.append([Entry(topic, b"key", b"next")]) == [Appended(0, 9)]
    for group in ("done", "new"):  # the beginning is what is left
        consumer = embedded.log.consumer(group, topic)
        [(assignment, [record])] = (await read(consumer, 1)).items()
        assert (record.offset, record.value) == (9, b"next")
        assert await consumer.lag() == {assignment: 1}
    consumer.seek(assignment, 8)
    with pytest.raises(OffsetOutOfRangeError):
        await stuck(consumer)


Call = Callable[[Log, Consumer], Awaitable[object]]
CLOSED: dict[str, Call] = {
    "create": lambda log, _: log.create([Topic("contract.late", 1, HOUR)]),
    "partitions": lambda log, consumer: log.partitions("contract.any"),
    "append": lambda log, consumer: log.append([Entry("contract.any", b"key", b"value")]),
    "poll": lambda _, consumer: consumer.poll(max_records=1, timeout=QUIET),
    "commit": lambda _, consumer: consumer.commit(dict.fromkeys(consumer.assignments(), 1)),
    "lag": lambda _, consumer: consumer.lag(),
}


@pytest.mark.parametrize("call", CLOSED.values(), ids=CLOSED)
async def test_embedded_a_closed_log_is_unavailable(embedded: EmbeddedTwin, call: Call) -> None:
    log = embedded.log
    await log.create([Topic("contract.any", PARTITIONS, HOUR)])
    consumer = log.consumer("group", "contract.any")
    await settle(consumer)
    await embedded.reopen()
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(EngineUnavailableError):
            await call(log, consumer)
