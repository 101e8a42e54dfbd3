"""What a world stands on, in earnest: Kafka, Cassandra, PostgreSQL, Redis."""

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from tests.contract.conftest import PATIENCE
from tests.unit.spine.engines import PARTITIONS, PEOPLE, Sabotage, conversation

from chat4all.directory.port import AlreadyThereError, User
from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.log.kafka.log import KafkaLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Appended, Consumer, Entry, LogRecord, Topic
from chat4all.log.settings import KafkaSettings
from chat4all.realtime.redis.realtime import RedisRealtime
from chat4all.routing.router import Router, RoutingSettings
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.cassandra.store import CassandraStore
from chat4all.store.settings import CassandraSettings

_SESSION = 1.0  # seconds after which a router that does nothing counts as gone
_READS_AHEAD = 1.0  # seconds for which its consumer still reads


class RealEngines:
    """`store`: makes its class wrong."""

    told_within = 60.0
    patience = 100
    settings = RoutingSettings(batch=40, poll_seconds=0.5, retry_seconds=0.1)

    def __init__(
        self,
        broker: str,
        keyspace: CassandraSettings,
        database: DirectorySettings,
        redis: RedisSettings,
        *,
        store: Sabotage = lambda right: right,
    ) -> None:
        world = uuid.uuid4().hex[:8]
        self.chats = (f"{world}-a", f"{world}-b", f"{world}-c")
        self._broker = broker
        self._prefix = f"contract.{world}."
        self.log = _Own(_log(broker), self._prefix)
        self.store = store(CassandraStore)(keyspace)
        self.ledger = CassandraLedger(keyspace)
        self._sql = Sql.at(database, patience=PATIENCE)
        self.directory = SqlDirectory(self._sql)
        self.channels = SqlChannels(self._sql)
        self.realtime = RedisRealtime(redis)

    async def open(self) -> None:
        await self.log.create([Topic(name, PARTITIONS, 3600.0) for name in (CONVERSATIONS, EVENTS, DEAD_LETTERS)])
        for who in PEOPLE:
            with contextlib.suppress(AlreadyThereError):
                await self.directory.add_user(User(username=who))
        for chat in self.chats:
            await self.directory.add_conversation(conversation(chat), [])

    async def close(self) -> None:
        for engine in (self.log, self.store, self.ledger, self.realtime, self._sql):
            await engine.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=self._broker)
        try:
            await admin.start()
            await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(self._prefix)])
        finally:
            await admin.close()

    async def gone(self, router: Router) -> None:
        """What it had not committed is not committed."""
        await router._consumer.close()

    async def silence(self, seconds: float) -> None:
        """As long as the group waits; the clock is the broker's."""
        _ = seconds
        await asyncio.sleep(_READS_AHEAD + _SESSION + 1.0)

    def committed(self) -> int | None:
        """Cassandra does not tell."""


async def empty_outbox(database: DirectorySettings) -> None:
    """Take out what other tests left: the relay of a world takes whatever is there."""
    sql = Sql.at(database, patience=PATIENCE)
    directory = SqlDirectory(sql)
    try:
        while left := await directory.outbox(limit=1000):
            await directory.outbox_done([row.number for row in left])
    finally:
        await sql.close()


class _Own:
    """The log, with topics and groups of this world's own behind the names that everybody uses."""

    def __init__(self, log: KafkaLog, prefix: str) -> None:
        self._log = log
        self._prefix = prefix

    def consumer(self, group: str, topic: str) -> Consumer:
        return self._log.consumer(self._prefix + group, self._prefix + topic)

    async def create(self, topics: Sequence[Topic]) -> None:
        await self._log.create([Topic(self._prefix + one.name, one.partitions, 3600.0) for one in topics])

    async def append(self, entries: Sequence[Entry]) -> list[Appended]:
        renamed = [Entry(self._prefix + one.topic, one.key, one.value, one.headers) for one in entries]
        return await self._log.append(renamed)

    async def read(self, topic: str, partition: int, *, offset: int, limit: int) -> list[LogRecord]:
        return await self._log.read(self._prefix + topic, partition, offset=offset, limit=limit)

    async def partitions(self, topic: str) -> int:
        return await self._log.partitions(self._prefix + topic)

    async def identity(self, topic: str) -> str:
        return await self._log.identity(self._prefix + topic)

    async def close(self) -> None:
        await self._log.close()


def _log(broker: str) -> KafkaLog:
    settings: dict[str, Any] = {"servers": broker, "replication": 1, "min_insync_replicas": 1, "request_seconds": 30.0}
    return KafkaLog(
        KafkaSettings(**settings, session_seconds=2.0, heartbeat_seconds=0.1, round_seconds=_SESSION, drain_seconds=0.0)
    )
