"""Distributed mode: real engines behind the ports, the same for every role."""

import asyncio
from typing import Final

from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.futures import seen
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.limits.redis import RedisLimits
from chat4all.log.kafka.log import KafkaLog
from chat4all.processes import tracing
from chat4all.processes.config import Settings
from chat4all.realtime.redis.realtime import RedisRealtime
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.cassandra.store import CassandraStore
from chat4all.telemetry.metrics import Metrics

_CLOSES: Final = 5.0  # seconds that an engine gets


class Distributed:
    """Nothing is connected before it is used. `role`: of this process.

    Raises StartError for a file of a setting that cannot be read.
    """

    def __init__(self, settings: Settings, role: str) -> None:
        self.metrics = Metrics()
        self.traces = tracing.opened(settings.tracing, role)
        self.log = KafkaLog(settings.kafka)
        self.store = CassandraStore(settings.cassandra)
        self.ledger = CassandraLedger(settings.cassandra)
        self.sql = Sql.at(settings.directory)
        self.directory = SqlDirectory(self.sql)
        self.channels = SqlChannels(self.sql)
        self.realtime = RedisRealtime(settings.redis)
        self.limits = RedisLimits(settings.redis, EmbeddedLimits(), share=settings.operations.share)
        adapters = {"log": "kafka", "store": "cassandra", "directory": settings.directory.dialect}
        for port, adapter in {**adapters, "realtime": "redis", "limits": "redis"}.items():
            self.metrics.adapter.labels(port, adapter).set(1)

    async def close(self) -> None:
        """Disconnect from all of them, the log first: what is on its way there is worth most, and traces least."""
        for engine in (self.log, self.store, self.ledger, self.realtime, self.limits, self.sql):
            closing = asyncio.create_task(engine.close())
            closing.add_done_callback(seen)
            await asyncio.wait({closing}, timeout=_CLOSES)
            if closing.done():
                closing.result()
            closing.cancel()  # and not waited for: what hangs may not hear it
        await asyncio.to_thread(self.traces.close)
