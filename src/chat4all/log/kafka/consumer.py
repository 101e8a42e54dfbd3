"""One member of a consumer group on Kafka.

The library joins, heartbeats and fetches in tasks of its own; a poll takes what they have. The listener of rebalances
waits until what was handed out is done, and shares no lock with the poll: either would wait for the other for ever.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.errors import OffsetOutOfRangeError as KafkaOffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.log.kafka.connection import bounded
from chat4all.log.kafka.topics import TopicInfo
from chat4all.log.port import Assignment, Batch, LogRecord, OffsetOutOfRangeError
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError

_FETCH: Final = 8 << 20  # bytes of one answer of a broker, of which a partition has at most a quarter
_LOOK: Final = 200  # ms between looks whether to read on
_AHEAD: Final = 1000  # records that are read ahead, and what one answer brings beyond
_WORKS: Final = 1.0  # seconds of work after which nothing more is read ahead
_AGAIN: Final = "the topic was deleted and made again"


class KafkaConsumer:
    """See `chat4all.log.port.Consumer`. `asked`: what topic there is now; `closed`: told when it has left.

    The consumer's own connections are no place to ask: a broker answers one after another there, and an answer would
    wait for the fetch that waits for records.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        arguments: Mapping[str, Any],
        group: str,
        topic: str,
        *,
        asked: Callable[[str], Awaitable[TopicInfo | None]],
        closed: Callable[["KafkaConsumer"], None],
        outage: Outage,
    ) -> None:
        self._settings = settings
        self._arguments = arguments
        self._group = group
        self._topic = topic
        self._asked = asked
        self._told_closed = closed
        self._outage = outage
        self._consumer: AIOKafkaConsumer | None = None
        self._starting: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._holding = False  # the last poll handed out something
        self._polled: float | None = None  # on time.monotonic, when the last poll ended; None: one is under way
        self._idle = asyncio.Event()  # nothing that was handed out is being worked on, or waits for its commit
        self._draining = False
        self._owned: dict[TopicPartition, Assignment] = {}
        self._fresh: set[TopicPartition] = set()  # assigned, and not yet told where to begin
        self._waiting: dict[TopicPartition, list[LogRecord]] = {}  # fetched, and not yet handed out
        self._unchecked: dict[TopicPartition, list[LogRecord]] = {}  # fetched, of which topic is still to be asked
        self._committed: dict[TopicPartition, int] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._identity = ""
        self._turn = 0
        self._closed = False

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        if self._closed:
            raise EngineUnavailableError("log", "closed")
        if not self._holding:
            self._idle.set()  # whoever polls again after he got nothing has done with what he had, and committed it
        if self._consumer is not None:
            # The library takes a member for silent that has not fetched for long, and this one hands out what it has.
            self._consumer._subscription._last_fetch_ended = time.monotonic()  # noqa: SLF001 - there is no other way
        self._polled = None
        try:
            batches = await self._poll(max_records, timeout)
            self._holding = bool(batches)
            if batches:
                self._idle.clear()
            return batches
        finally:
            self._polled = time.monotonic()

    async def commit(self, offsets: Mapping[Assignment, int]) -> frozenset[Assignment]:
        if self._closed:
            raise EngineUnavailableError("log", "closed")
        if self._consumer is None:
            return frozenset(offsets)  # it has not joined, or has to join again
        kept = {_place(a): offset for a, offset in offsets.items() if self._owned.get(_place(a)) is a}
        if kept:
            try:
                async with bounded(self._settings.request_seconds, self._outage):
                    await self._consumer.commit(kept)
                self._outage.answered()
            except EngineUnavailableError as error:
                if not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                    raise
                return frozenset(offsets)  # the group has gone on without this member
            self._committed |= {place: offset for place, offset in kept.items() if place in self._owned}
        return frozenset(a for a in offsets if _place(a) not in kept)

    def seek(self, assignment: Assignment, offset: int) -> None:
        place = _place(assignment)
        if self._owned.get(place) is assignment and self._consumer is not None:
            self._waiting.pop(place, None)
            self._unchecked.pop(place, None)
            self._fresh.discard(place)
            with contextlib.suppress(IllegalStateError):  # given up a moment ago
                self._consumer.seek(place, offset)

    def pause(self, assignment: Assignment) -> None:
        place = _place(assignment)
        if self._owned.get(place) is assignment and self._consumer is not None:
            self._waiting.pop(place, None)
            self._unchecked.pop(place, None)
            with contextlib.suppress(IllegalStateError):
                self._consumer.pause(place)

    def assignments(self) -> frozenset[Assignment]:
        return frozenset(self._owned.values())

    async def lag(self) -> dict[Assignment, int]:
        if self._closed:
            raise EngineUnavailableError("log", "closed")
        if self._consumer is None:
            return {}
        async with bounded(self._settings.request_seconds, self._outage):
            await self._begin()
            ends = await self._ends(self._consumer)
        return {self._owned[p]: end - self._committed.get(p, end) for p, end in ends.items() if p in self._owned}

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._idle.set()
        self._told_closed(self)
        if self._starting is not None:  # let it come to its end: cancelled while it connects, it loses the connection
            await asyncio.wait({self._starting}, timeout=self._settings.request_seconds)
        for task in (self._starting, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, KafkaError):
                    await task
        await asyncio.gather(*self._stopping)
        if self._consumer is not None:
            await stop(self._consumer, self._settings.request_seconds)
        self._give_up()

    # -- the group

    async def given_up(self) -> None:
        """The group is being shared out anew: finish, then forget whatever belonged to these assignments."""
        self._draining = True
        self._waiting.clear()
        self._unchecked.clear()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.drain_seconds):
                    await self._idle.wait()
        finally:
            self._draining = False
        self._give_up()

    def given(self, places: Collection[TopicPartition]) -> None:
        """These are ours now, as assignments that never were before."""
        self._give_up()
        self._owned = {place: Assignment(place.topic, place.partition) for place in places}
        self._fresh = set(places)

    def _give_up(self) -> None:
        self._owned, self._fresh = {}, set()
        self._waiting.clear()
        self._unchecked.clear()
        self._committed.clear()

    async def _started(self, timeout: float) -> bool:
        """Join the group in a task: it takes as long as the other members need to give up theirs."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(seen)
        if not self._starting.done():
            await asyncio.wait({self._starting}, timeout=timeout)
        if not self._starting.done():
            return False
        starting = self._starting
        if starting.exception() is not None:
            self._starting = None
        async with bounded(self._settings.request_seconds, self._outage):
            await starting
        return True

    def _join_again(self) -> None:
        """As a newcomer, at the next poll: the library's coordination has ended. It also ends when it cancels its own
        heartbeat just as that leaves the group for having been silent: _stop_heartbeat_task in
        https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/consumer/group_coordinator.py"""
        broken, self._consumer, self._starting = self._consumer, None, None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        self._give_up()
        if broken is not None:
            task = asyncio.create_task(stop(broken, self._settings.request_seconds))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def _start(self) -> None:
        made = AIOKafkaConsumer(
            **self._arguments,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=int(self._settings.session_seconds * 1000),
            heartbeat_interval_ms=int(self._settings.heartbeat_seconds * 1000),
            max_poll_interval_ms=int(self._settings.round_seconds * 1000),
            rebalance_timeout_ms=int((self._settings.drain_seconds + self._settings.session_seconds) * 1000),
            fetch_max_bytes=_FETCH,
            max_partition_fetch_bytes=_FETCH // 4,
        )
        made.subscribe([self._topic], listener=_Listener(self))
        self._consumer = made
        try:
            await made.start()
            found = await self._asked(self._topic)
            self._identity = self._identity or (found.id if found else "")
        except BaseException:
            self._consumer = None
            await stop(made, self._settings.request_seconds)
            raise

    # -- reading

    async def _poll(self, most: int, timeout: float) -> list[Batch]:
        deadline = time.monotonic() + timeout
        if not await self._started(timeout):
            return []
        while True:
            async with bounded(self._settings.request_seconds, self._outage):
                await self._begin()
            if not any(map(self._may_give, self._waiting)):
                await self._fetch(max(0.0, deadline - time.monotonic()))
                await self._check_fetched()
            batches = self._take(most)
            if batches or self._draining or time.monotonic() >= deadline:
                return batches

    async def _begin(self) -> None:
        """Where the group has committed, or at the beginning: what is fresh is told where to begin."""
        fresh, consumer = list(self._fresh), self._consumer
        if not fresh or consumer is None:
            return
        first = await consumer.beginning_offsets(fresh)
        committed = {place: await consumer.committed(place) for place in fresh}
        # From here on without a pause: what was read before this moment was not kept, and what comes after it is of
        # these places.
        for place in self._fresh.intersection(fresh):
            start = first[place] if committed[place] is None else committed[place]
            consumer.seek(place, start)
            self._committed[place] = start
            self._fresh.discard(place)

    async def _fetch(self, timeout: float) -> None:
        """Wait for records, unless some were read ahead. Raises OffsetOutOfRangeError, EngineUnavailableError."""
        consumer = self._consumer
        if consumer is None:
            return
        if consumer._fetcher.error_future.done():  # noqa: SLF001 - nothing else tells that it fetches no more
            self._join_again()
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_ahead(consumer))
            self._reading.add_done_callback(seen)
        if not self._unchecked and not self._reading.done():
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrived.wait()
        if self._reading.done():
            reading, self._reading = self._reading, None
            self._note_end(consumer, reading)

    async def _read_ahead(self, consumer: AIOKafkaConsumer) -> None:
        """Also while what was handed out is being worked on: the library fetches no more of a partition than one
        answer's records until they are taken. Not for long then: the group is to see a member that hangs."""
        try:
            while self._reads_on():
                for place, records in (await consumer.getmany(timeout_ms=_LOOK)).items():
                    if place in self._owned and place not in self._fresh:
                        self._unchecked.setdefault(place, []).extend(map(log_record, records))
                if self._unchecked:
                    self._arrived.set()
        finally:
            self._arrived.set()

    def _reads_on(self) -> bool:
        held = sum(map(len, self._unchecked.values())) + sum(map(len, self._waiting.values()))
        return held < _AHEAD and (self._polled is None or time.monotonic() - self._polled < _WORKS)

    def _note_end(self, consumer: AIOKafkaConsumer, reading: asyncio.Task[None]) -> None:
        """Why nothing is read any more. Raises OffsetOutOfRangeError, EngineUnavailableError."""
        try:
            reading.result()
        except asyncio.CancelledError:
            self._join_again()
        except NoOffsetForPartitionError:
            _note_fetch_ended(consumer)  # it was looked at before it was told where to begin
        except KafkaOffsetOutOfRangeError as error:
            _note_fetch_ended(consumer)
            self._raise_out_of_range(error)
        except KafkaError as error:
            self._join_again()
            raise EngineUnavailableError("log", str(error) or type(error).__name__) from error

    def _raise_out_of_range(self, error: KafkaOffsetOutOfRangeError) -> None:
        for place, offset in error.args[0].items():
            if place in self._owned and place not in self._consumer_paused():
                raise OffsetOutOfRangeError(self._owned[place], f"offset {offset} is not there") from error

    async def _check_fetched(self) -> None:
        """What was fetched is of the topic that this consumer began with: asked after the fetch, since ids never come
        back. Otherwise offsets would go on in another topic, and what it holds below them would be skipped.

        What cannot be asked now is asked by the next poll, and waits until then.
        """
        consumer = self._consumer
        if not self._unchecked or consumer is None:
            return
        fetched = [(place, records, len(records)) for place, records in self._unchecked.items()]
        async with bounded(self._settings.request_seconds, self._outage):
            now = await self._asked(self._topic)
        if now is None:
            raise EngineUnavailableError("log", f"topic {self._topic} is not there")
        if not self._identity:
            self._identity = now.id
        if now.id != self._identity:
            self._unchecked.clear()
            for place, assignment in self._owned.items():
                if place not in self._consumer_paused():
                    raise OffsetOutOfRangeError(assignment, _AGAIN)
            return
        for place, records, count in fetched:
            if self._unchecked.get(place) is records:  # nobody has given it up or gone elsewhere meanwhile
                self._waiting.setdefault(place, []).extend(records[:count])
                del records[:count]
                if not records:
                    del self._unchecked[place]

    def _consumer_paused(self) -> Collection[TopicPartition]:
        return self._consumer.paused() if self._consumer is not None else ()

    def _may_give(self, place: TopicPartition) -> bool:
        return bool(self._waiting[place]) and place not in self._consumer_paused()

    def _take(self, most: int) -> list[Batch]:
        """Of the partitions by turns, so that a busy one does not keep the others waiting."""
        ready = [] if self._draining else sorted(filter(self._may_give, self._waiting))
        if not ready:
            return []
        self._turn = (self._turn + 1) % len(ready)
        batches = []
        for place in ready[self._turn :] + ready[: self._turn]:
            records = self._waiting[place]
            batches.append(Batch(self._owned[place], records[:most]))
            self._waiting[place] = records[most:]
            most -= len(batches[-1].records)
            if most <= 0:
                break
        return batches

    async def _ends(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """As the last fetch has told them; asked for where nothing is fetched."""
        told = {place: consumer.highwater(place) for place in self._owned if place in consumer.assignment()}
        asked = [place for place, end in told.items() if end is None or place in self._consumer_paused()]
        known = {place: end for place, end in told.items() if end is not None}
        return known | (await consumer.end_offsets(asked) if asked else {})


async def stop(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Leave the group and disconnect; where the broker does not answer, disconnect all the same."""
    stopping = asyncio.ensure_future(consumer.stop())
    stopping.add_done_callback(seen)
    await asyncio.wait({stopping}, timeout=seconds)
    if stopping.done():
        return
    stopping.cancel()
    for part in (consumer._fetcher, consumer._client):  # noqa: SLF001 - `stop` comes to them last, and never again
        if part is not None:
            with contextlib.suppress(KafkaError, asyncio.CancelledError):
                await part.close()


def _note_fetch_ended(consumer: AIOKafkaConsumer) -> None:
    """A fetch that raised counts as running for ever, so that its consumer never counts as silent: fetch_context has no
    `finally` in https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/consumer/subscription_state.py"""
    subscription = consumer._subscription  # noqa: SLF001 - there is no other way to set it right
    subscription._fetch_count -= 1  # noqa: SLF001 - see above
    subscription._last_fetch_ended = time.monotonic()  # noqa: SLF001 - see above


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        _ = revoked  # all of them: the library's protocol is the eager one
        await self._consumer.given_up()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.given(assigned)


def log_record(one: ConsumerRecord) -> LogRecord:
    """As the port has it."""
    return LogRecord(one.offset, one.timestamp, one.key or b"", one.value or b"", tuple(one.headers))


def _place(assignment: Assignment) -> TopicPartition:
    return TopicPartition(assignment.topic, assignment.partition)
