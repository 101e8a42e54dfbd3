"""The engines of distributed mode: Kafka, Cassandra, an SQL server, Redis and an S3 store, the same for every role."""

from typing import Final

from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.files.bucket import Bucket
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.limits.redis import RedisLimits
from chat4all.log.kafka.log import KafkaLog
from chat4all.processes import installation, tracing
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines, ManagedEngine
from chat4all.realtime.redis.realtime import RedisRealtime
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.cassandra.store import CassandraStore
from chat4all.telemetry.metrics import Metrics

_CLOSE_SECONDS: Final = 5.0  # that each engine gets


def engines(settings: Settings, role: str) -> Engines:
    """Nothing is connected before it is used. `role`: of this process, in traces.

    Raises StartError for a file of a setting that cannot be read.
    """
    log = KafkaLog(settings.kafka, installation.topics(settings))
    store, ledger = CassandraStore(settings.cassandra), CassandraLedger(settings.cassandra)
    sql = Sql.at(settings.directory)
    realtime = RedisRealtime(settings.redis)
    limits = RedisLimits(settings.redis, EmbeddedLimits(), share=settings.operations.share)

    def refresh() -> None:
        log.login.refresh()
        for one in (settings.cassandra, settings.directory, settings.redis):
            one.ssl_context()

    return Engines(
        log=log,
        store=store,
        ledger=ledger,
        directory=SqlDirectory(sql),
        channels=SqlChannels(sql),
        realtime=realtime,
        limits=limits,
        metrics=Metrics(),
        traces=tracing.opened(settings.tracing, role),
        managed={
            "log": ManagedEngine(log, "CHAT4ALL_KAFKA__SERVERS"),  # first: what is on its way there is worth most
            "store": ManagedEngine(store, "CHAT4ALL_CASSANDRA__HOSTS"),
            "ledger": ManagedEngine(ledger, "CHAT4ALL_CASSANDRA__HOSTS"),
            "directory": ManagedEngine(sql, "CHAT4ALL_DIRECTORY__HOST"),
            "realtime": ManagedEngine(realtime, "CHAT4ALL_REDIS__HOST"),
            "limits": ManagedEngine(limits, "CHAT4ALL_REDIS__HOST"),
            "files": ManagedEngine(Bucket(settings.files), "CHAT4ALL_FILES__ENDPOINT"),
        },
        adapters={
            "log": "kafka",
            "store": "cassandra",
            "directory": settings.directory.dialect,
            "realtime": "redis",
            "limits": "redis",
        },
        place="the topic, as it was",
        refresh=refresh,
        close_seconds=_CLOSE_SECONDS,
    )
