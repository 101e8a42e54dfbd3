"""The log on Kafka, by its client library.

Nothing here is connected before it is needed, so that a process starts while the broker is away and works once it is
back. Everything is bounded in time. An append that took too long may still arrive: its outcome is unknown.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, LeaderNotAvailableError, TopicAlreadyExistsError, for_code
from aiokafka.structs import RecordMetadata

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.log.kafka import connection as kafka_connection
from chat4all.log.kafka.connection import Starts, bounded
from chat4all.log.kafka.consumer import KafkaConsumer, log_record, stop
from chat4all.log.kafka.producer import Producer
from chat4all.log.kafka.topics import TopicInfo, copies, topic_info
from chat4all.log.port import Appended, Entry, LogRecord, Topic, traced
from chat4all.log.settings import KafkaSettings
from chat4all.model.engines import Description
from chat4all.model.errors import EngineUnavailableError, NotMigratedError

_STOP_SECONDS: Final = 3.0  # in which records that are on their way may arrive when the log is closed
# The library takes a mapping, and looks at its keys only where it describes.
_DESCRIBED_CONFIGS: Final = {"min.insync.replicas": None}
_USABLE_CHECK_SECONDS: Final = 0.05  # between checks whether a new topic can be used


class KafkaLog:
    """The log keeps topics, partitions and groups on a Kafka cluster. `topics`: those that every installation has."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[Topic] = ()) -> None:
        self._settings = settings
        self._topics = topics
        self.login = kafka_connection.Login(settings)
        self.login.arguments()  # raises what is wrong with a file now
        self._outage = Outage("Kafka")
        self._starts = Starts()
        self._producer = Producer(self.login, self._starts, stop_seconds=_STOP_SECONDS)
        self._known: dict[str, int] = {}  # partitions by topic, since the last failure
        self._seen: set[str] = set()  # topics that have existed
        self._consumers: set[KafkaConsumer] = set()
        self._closed = False

    async def open(self) -> None:
        """Do nothing: the log connects when it is first used."""

    async def migrate(self) -> str:
        await self.create(self._topics)
        return f"topics {', '.join(topic.name for topic in self._topics)}"

    async def check(self) -> None:
        for topic in self._topics:
            if not await self.partitions(topic.name):
                raise NotMigratedError(f"There is no topic {topic.name}")

    async def describe(self) -> Description:
        """Say how many copies each topic has: Kafka's protocol names no release. Raises StartError for too few."""
        sentences = []
        for topic in self._topics:
            info = await self._info_and_needed(topic.name)
            sentences.append(copies(topic.name, *info, self._settings) if info else f"{topic.name} does not exist yet")
        return Description(f"Kafka: {'; '.join(sentences)}")

    async def trim(self) -> int:
        """Do nothing and return 0: the brokers delete old records by themselves."""
        return 0

    async def close(self) -> None:
        """Leave all groups, then disconnect from the cluster."""
        self._closed = True
        await asyncio.gather(*(consumer.close() for consumer in self._consumers))
        await self._producer.close()
        await self._starts.close(self._settings.request_seconds)

    async def create(self, topics: Sequence[Topic]) -> None:
        self._check_open()
        async with bounded(self._settings.request_seconds, self._outage), self._admin() as admin:
            wanted = {topic.name: self._new(topic) for topic in topics}  # Kafka refuses a name that is given twice
            answer = await _create_topics(admin, [*wanted.values()])
            for name, code, message in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise EngineUnavailableError("log", f"topic {name} cannot be made: {message}")
            for topic in topics:
                await self._usable(topic.name)

    async def partitions(self, topic: str) -> int:
        self._check_open()
        async with bounded(self._settings.request_seconds, self._outage):
            info = await self._topic_info(topic)
        if info is None:
            return 0
        self._seen.add(topic)
        return info.partitions

    async def identity(self, topic: str) -> str:
        self._check_open()
        async with bounded(self._settings.request_seconds, self._outage):
            info = await self._topic_info(topic)
        return info.id if info else ""

    async def _info_and_needed(self, topic: str) -> tuple[TopicInfo, int] | None:
        """Return what a broker says of a topic and how many copies an append needs, or None if there is no such
        topic."""
        self._check_open()
        async with bounded(self._settings.request_seconds, self._outage), self._admin() as admin:
            info = await self._topic_info(topic)
            [answer] = await admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, _DESCRIBED_CONFIGS)]
            )
        entries = answer.resources[0][4]
        return (info, int(entries[0][1])) if info and entries else None

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        self._check_open()
        if not entries:
            return []
        entries = traced(entries)
        await self._check_topics({entry.topic for entry in entries})
        try:
            async with bounded(self._settings.request_seconds, self._outage):
                return [_appended(one) for one in await self._send(entries)]
        except EngineUnavailableError:
            self._known.clear()  # perhaps it is the topic that is gone
            raise

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[LogRecord]:
        if partition >= await self.partitions(topic):
            return []
        place = TopicPartition(topic, partition)
        consumer = AIOKafkaConsumer(**self.login.arguments(), enable_auto_commit=False, auto_offset_reset="none")
        consumer.assign([place])
        end = partial(stop, consumer, self._settings.request_seconds)
        async with bounded(self._settings.request_seconds, self._outage):
            await self._starts.connect(consumer.start(), end)
            try:
                return await _read(consumer, place, offset, limit)
            finally:
                await end()

    def consumer(self, group: str, topic: str) -> KafkaConsumer:
        self._check_open()
        consumer = KafkaConsumer(
            self._settings,
            self.login,
            group,
            topic,
            topic_info=self._topic_info,
            on_close=self._consumers.discard,
            outage=self._outage,
        )
        self._consumers.add(consumer)
        return consumer

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self.login.arguments())
        await self._starts.connect(admin.start(), admin.close)
        try:
            yield admin
        finally:
            await admin.close()

    async def _check_topics(self, topics: set[str]) -> None:
        for topic in topics - self._known.keys():
            count = await self.partitions(topic)
            if not count and topic in self._seen:
                raise EngineUnavailableError("log", f"topic {topic} does not exist any more")
            if not count:
                raise LookupError(f"there is no topic {topic}")
            self._known[topic] = count

    async def _send(self, entries: Sequence[Entry]) -> list[RecordMetadata]:
        producer = await self._producer.ready()
        waiting: list[asyncio.Future[RecordMetadata]] = []
        try:
            for entry in entries:
                sent = await producer.send(entry.topic, entry.value, entry.key, headers=list(entry.headers))
                sent.add_done_callback(seen)
                waiting.append(sent)
            places = await asyncio.gather(*waiting)
        except KafkaError as error:
            self._producer.failed(producer, error)
            raise
        finally:
            for one in waiting:
                one.cancel()  # nobody waits for it any more; what has ended stays as it is
        self._outage.answered()
        return places

    async def _usable(self, topic: str) -> None:
        """Wait until the topic can be used: the cluster makes its partitions after it has said that it is made."""
        while True:
            with contextlib.suppress(LeaderNotAvailableError):
                info = await self._topic_info(topic)
                if info is not None and info.usable:
                    return
            await asyncio.sleep(_USABLE_CHECK_SECONDS)

    async def _topic_info(self, topic: str) -> TopicInfo | None:
        info = await topic_info((await self._producer.ready()).client, topic)
        self._outage.answered()
        return info

    def _new(self, topic: Topic) -> NewTopic:
        """Return the topic with the configuration that invariant 1 needs, whatever the broker's defaults are."""
        return NewTopic(
            name=topic.name,
            num_partitions=topic.partitions,
            replication_factor=self._settings.replication,
            topic_configs={
                "retention.ms": str(int(topic.retention_seconds * 1000)),
                "cleanup.policy": "delete",
                "min.insync.replicas": str(self._settings.min_insync_replicas),
                "unclean.leader.election.enable": "false",
                "message.timestamp.type": "LogAppendTime",
                "max.message.bytes": str(4 << 20),
            },
        )

    def _check_open(self) -> None:
        if self._closed:
            raise EngineUnavailableError("log", "closed")


async def _create_topics(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
    """Return the controller's answer. Raises KafkaConnectionError where the cluster has no controller at the moment, as
    after a fault; the library then raises AttributeError:
    _send_to_controller in https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/admin/client.py"""
    try:
        return await admin.create_topics(topics)
    except AttributeError as error:
        raise KafkaConnectionError("the cluster has no controller") from error


def _appended(one: RecordMetadata) -> Appended:
    """Return where a record stands. Raises EngineUnavailableError where the broker does not say: it does not always
    remember the place of a batch that it got twice."""
    if one.offset < 0:
        raise EngineUnavailableError("log", "the broker has it and does not say where")
    return Appended(one.partition, one.offset)


async def _read(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, limit: int) -> list[LogRecord]:
    start = (await consumer.beginning_offsets([place]))[place]
    end = (await consumer.end_offsets([place]))[place]
    records: list[LogRecord] = []
    consumer.seek(place, max(start, offset))
    while len(records) < limit and await consumer.position(place) < end:
        answer = await consumer.getmany(place, timeout_ms=500, max_records=limit - len(records))
        records += [log_record(one) for one in answer.get(place, ())]
    return records
