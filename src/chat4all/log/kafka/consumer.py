"""One member of a consumer group on Kafka.

The library joins, heartbeats and fetches in tasks of its own; a poll takes what they have. The listener of rebalances
waits until the records that a poll returned are done, and shares no lock with the poll: either would wait for the other
for ever.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.errors import OffsetOutOfRangeError as KafkaOffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.log.kafka.connection import Login, bounded
from chat4all.log.kafka.topics import TopicInfo
from chat4all.log.port import Assignment, Batch, LogRecord, OffsetOutOfRangeError
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError

_MAX_FETCH_BYTES: Final = 8 << 20  # of one broker's answer, of which a partition has at most a quarter
_READ_AHEAD_POLL_MS: Final = 200  # between checks whether to read on
_MAX_READ_AHEAD_RECORDS: Final = 1000  # the answer that reaches it is taken whole
_READ_AHEAD_SECONDS: Final = 1.0  # of work on what the last poll returned; then nothing more is read ahead


class KafkaConsumer:
    """The consumer implements `chat4all.log.port.Consumer`.

    `topic_info` asks a broker which topic has a name now; the consumer's own connections cannot be used for that, since
    a broker answers one request after another there, and an answer would wait for the fetch that waits for records.
    `on_close` is called when the consumer begins to leave.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        login: Login,
        group: str,
        topic: str,
        *,
        topic_info: Callable[[str], Awaitable[TopicInfo | None]],
        on_close: Callable[["KafkaConsumer"], None],
        outage: Outage,
    ) -> None:
        self._settings = settings
        self._login = login
        self._group = group
        self._topic = topic
        self._topic_info = topic_info
        self._on_close = on_close
        self._outage = outage
        self._consumer: AIOKafkaConsumer | None = None
        self._starting: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._holding = False  # whether the last poll returned records
        self._polled: float | None = None  # on time.monotonic, when the last poll ended; None: one is under way
        self._idle = asyncio.Event()  # no records that were returned are being worked on, or wait for their commit
        self._draining = False
        self._owned: dict[TopicPartition, Assignment] = {}
        self._fresh: set[TopicPartition] = set()  # assigned; where to begin is not set yet
        self._waiting: dict[TopicPartition, list[LogRecord]] = {}  # fetched, not yet returned by a poll
        self._unchecked: dict[TopicPartition, list[LogRecord]] = {}  # fetched; of which topic is not yet known
        self._committed: dict[TopicPartition, int] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._identity = ""
        self._turn = 0
        self._closed = False

    async def poll(self, *, max_records: int, timeout: float) -> list[Batch]:
        if self._closed:
            raise EngineUnavailableError("log", "closed")
        if not self._holding:
            self._idle.set()  # a caller that polls again after it got nothing has finished and committed what it had
        if self._consumer is not None:
            # For the library a member that has not fetched for long is silent; this one returns what it read ahead.
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
        self._on_close(self)
        if self._starting is not None:  # wait for its end: cancelled while it connects, it loses the connection
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
        """Wait until the records that were returned are done, then forget all assignments: the group is being shared
        out anew."""
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
        """Own these partitions from now on, as new assignments."""
        self._give_up()
        self._owned = {place: Assignment(place.topic, place.partition) for place in places}
        self._fresh = set(places)

    def _give_up(self) -> None:
        self._owned, self._fresh = {}, set()
        self._waiting.clear()
        self._unchecked.clear()
        self._committed.clear()

    async def _joined(self, timeout: float) -> bool:
        """Return whether this member has joined the group, after at most `timeout` seconds. Joining takes as long as
        the other members need to give up their partitions, so it has a task of its own.

        Raises EngineUnavailableError where joining failed; the next call begins again.
        """
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
        """Let the next poll join as a newcomer, because the library's coordination has ended.

        It also ends when it cancels its own heartbeat just as that leaves the group for having been silent:
        _stop_heartbeat_task in
        https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/consumer/group_coordinator.py
        """
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
        consumer = AIOKafkaConsumer(
            **self._login.arguments(),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=int(self._settings.session_seconds * 1000),
            heartbeat_interval_ms=int(self._settings.heartbeat_seconds * 1000),
            max_poll_interval_ms=int(self._settings.round_seconds * 1000),
            rebalance_timeout_ms=int((self._settings.drain_seconds + self._settings.session_seconds) * 1000),
            fetch_max_bytes=_MAX_FETCH_BYTES,
            max_partition_fetch_bytes=_MAX_FETCH_BYTES // 4,
        )
        self._login.adopt(consumer._client)  # noqa: SLF001 - there is no other way to it
        consumer.subscribe([self._topic], listener=_Listener(self))
        self._consumer = consumer
        try:
            await consumer.start()
            info = await self._topic_info(self._topic)
            self._identity = self._identity or (info.id if info else "")
        except BaseException:
            self._consumer = None
            await stop(consumer, self._settings.request_seconds)
            raise

    # -- reading

    async def _poll(self, max_records: int, timeout: float) -> list[Batch]:
        deadline = time.monotonic() + timeout
        if not await self._joined(timeout):
            return []
        while True:
            async with bounded(self._settings.request_seconds, self._outage):
                await self._begin()
            if not any(map(self._may_give, self._waiting)):
                await self._fetch(max(0.0, deadline - time.monotonic()))
                await self._check_fetched()
            batches = self._take(max_records)
            if batches or self._draining or time.monotonic() >= deadline:
                return batches

    async def _begin(self) -> None:
        """Set where to read the fresh partitions from: where the group has committed, or at their beginning."""
        fresh, consumer = list(self._fresh), self._consumer
        if not fresh or consumer is None:
            return
        first = await consumer.beginning_offsets(fresh)
        committed = {place: await consumer.committed(place) for place in fresh}
        # There is no await from here on: records that were read before were dropped, and those that come after are read
        # from these places on.
        for place in self._fresh.intersection(fresh):
            start = first[place] if committed[place] is None else committed[place]
            consumer.seek(place, start)
            self._committed[place] = start
            self._fresh.discard(place)

    async def _fetch(self, timeout: float) -> None:
        """Wait for records unless some were read ahead, at most `timeout` seconds. Raises OffsetOutOfRangeError,
        EngineUnavailableError."""
        consumer = self._consumer
        if consumer is None:
            return
        if consumer._fetcher.error_future.done():  # noqa: SLF001 - nothing else says that it fetches no more
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
        """Take records from the library, also while those that a poll returned are being worked on: the library fetches
        no more of a partition than one answer's records until they are taken. This ends after a short time without a
        poll, so that the group sees a member that hangs."""
        try:
            while self._may_read_ahead():
                for place, records in (await consumer.getmany(timeout_ms=_READ_AHEAD_POLL_MS)).items():
                    if place in self._owned and place not in self._fresh:
                        self._unchecked.setdefault(place, []).extend(map(log_record, records))
                if self._unchecked:
                    self._arrived.set()
        finally:
            self._arrived.set()

    def _may_read_ahead(self) -> bool:
        held = sum(map(len, self._unchecked.values())) + sum(map(len, self._waiting.values()))
        return held < _MAX_READ_AHEAD_RECORDS and (
            self._polled is None or time.monotonic() - self._polled < _READ_AHEAD_SECONDS
        )

    def _note_end(self, consumer: AIOKafkaConsumer, reading: asyncio.Task[None]) -> None:
        """Look why reading ahead has ended, and join again if the library gave up. Raises OffsetOutOfRangeError,
        EngineUnavailableError."""
        try:
            reading.result()
        except asyncio.CancelledError:
            self._join_again()
        except NoOffsetForPartitionError:
            _note_fetch_ended(consumer)  # it fetched before the place to begin was set
        except KafkaOffsetOutOfRangeError as error:
            _note_fetch_ended(consumer)
            self._raise_out_of_range(error)
        except KafkaError as error:
            self._join_again()
            raise EngineUnavailableError("log", str(error) or type(error).__name__) from error

    def _raise_out_of_range(self, error: KafkaOffsetOutOfRangeError) -> None:
        for place, offset in error.args[0].items():
            if place in self._owned and place not in self._consumer_paused():
                raise OffsetOutOfRangeError(self._owned[place], f"offset {offset} does not exist") from error

    async def _check_fetched(self) -> None:
        """Check that fetched records are of the topic that this consumer began with. Asking after the fetch is enough,
        since ids never come back. In another topic of that name the records below our offsets would be skipped.

        Where no broker answers now, the records wait and the next poll asks again. Raises OffsetOutOfRangeError for
        another topic, EngineUnavailableError.
        """
        consumer = self._consumer
        if not self._unchecked or consumer is None:
            return
        fetched = [(place, records, len(records)) for place, records in self._unchecked.items()]
        async with bounded(self._settings.request_seconds, self._outage):
            now = await self._topic_info(self._topic)
        if now is None:
            raise EngineUnavailableError("log", f"topic {self._topic} does not exist")
        if not self._identity:
            self._identity = now.id
        if now.id != self._identity:
            self._unchecked.clear()
            for place, assignment in self._owned.items():
                if place not in self._consumer_paused():
                    raise OffsetOutOfRangeError(assignment, "the topic was deleted and made again")
            return
        for place, records, count in fetched:
            if self._unchecked.get(place) is records:  # it was neither given up nor sought elsewhere meanwhile
                self._waiting.setdefault(place, []).extend(records[:count])
                del records[:count]
                if not records:
                    del self._unchecked[place]

    def _consumer_paused(self) -> Collection[TopicPartition]:
        return self._consumer.paused() if self._consumer is not None else ()

    def _may_give(self, place: TopicPartition) -> bool:
        return bool(self._waiting[place]) and place not in self._consumer_paused()

    def _take(self, max_records: int) -> list[Batch]:
        """Return records that wait, beginning with another partition each time, so that a busy one does not keep the
        others waiting."""
        ready = [] if self._draining else sorted(filter(self._may_give, self._waiting))
        if not ready:
            return []
        self._turn = (self._turn + 1) % len(ready)
        batches = []
        for place in ready[self._turn :] + ready[: self._turn]:
            records = self._waiting[place]
            batches.append(Batch(self._owned[place], records[:max_records]))
            self._waiting[place] = records[max_records:]
            max_records -= len(batches[-1].records)
            if max_records <= 0:
                break
        return batches

    async def _ends(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Return the end of each partition as the last fetch brought it; ask a broker where nothing is fetched."""
        fetched = {place: consumer.highwater(place) for place in self._owned if place in consumer.assignment()}
        stale = [place for place, end in fetched.items() if end is None or place in self._consumer_paused()]
        known = {place: end for place, end in fetched.items() if end is not None}
        return known | (await consumer.end_offsets(stale) if stale else {})


async def stop(consumer: AIOKafkaConsumer, seconds: float) -> None:
    """Leave the group and disconnect. Where the broker does not answer in so many seconds, disconnect all the same."""
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
    """Count a fetch that raised as ended. The library counts it as running for ever, so that its consumer would never
    be silent: fetch_context has no `finally` in
    https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/consumer/subscription_state.py"""
    subscription = consumer._subscription  # noqa: SLF001 - there is no other way to set it right
    subscription._fetch_count -= 1  # noqa: SLF001 - the library does not do it itself
    subscription._last_fetch_ended = time.monotonic()  # noqa: SLF001 - the library does not do it itself


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        _ = revoked  # all of them: the library's protocol is the eager one
        await self._consumer.given_up()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.given(assigned)


def log_record(one: ConsumerRecord) -> LogRecord:
    """Return the library's record as the port has it."""
    return LogRecord(one.offset, one.timestamp, one.key or b"", one.value or b"", tuple(one.headers))


def _place(assignment: Assignment) -> TopicPartition:
    return TopicPartition(assignment.topic, assignment.partition)
