"""What real engines keep, and how: asked of the running engine, or seen by what it refuses.

One node of each runs here. That a write needs a majority is seen where there can be none: there it has to fail, and
whoever asked for less would be told that all is well.
"""

import asyncio
import struct
import threading
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from cassandra import Unavailable
from cassandra.cluster import Session
from tests.contract import test_ledger, test_store
from tests.contract.conftest import KEYSPACE, PATIENCE
from tests.refusing import refusing

from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql.engine import Sql
from chat4all.log.kafka.log import KafkaLog
from chat4all.log.port import Entry, Topic, outbound_topic
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id
from chat4all.processes import installation
from chat4all.processes.config import Settings
from chat4all.store.cassandra import schema as cassandra_schema
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.cassandra.store import CassandraStore
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.embedded.store import EmbeddedStore
from chat4all.store.settings import CassandraSettings
from chat4all_devtools.stack.engine import Engine
from chat4all_devtools.stack.stack import Stack

DAYS: Final = 86_400_000  # ms

# -- SQLite


READS: Final = {
    "store": {"heads", "index", "rows", "history", "unread", "cursors", "reached", "timeline", "answered"},
    "ledger": {"plans", "deliveries", "attempts", "external", "external_of", "pending", "pending_known"}
    | {"parked", "parked_destinations"},
}


async def test_embedded_what_a_file_does_not_take_is_no_success(tmp_path: Path) -> None:
    store, ledger = EmbeddedStore(tmp_path / "store.db"), EmbeddedLedger(tmp_path / "ledger.db")
    for name, port, calls in (("store", store, test_store.CALLS), ("ledger", ledger, test_ledger.CALLS)):
        await port.open()
        async with refusing(port._database):
            assert await answered(port, calls, "readonly") == READS[name]
        assert await answered(port, calls, "") == calls.keys()
        await port.close()


# -- Kafka


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.engine)])  # the name by which the summary counts
def broker(request: pytest.FixtureRequest, engines: Stack) -> Engine:
    return engines[request.param]


@pytest.fixture
async def admin(broker: Engine) -> AsyncIterator[AIOKafkaAdminClient]:
    made = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await made.start()
    yield made
    await made.delete_topics([name for name in await made.list_topics() if name.startswith("contract.")])
    await made.close()


@pytest.fixture
async def log(broker: Engine, admin: AIOKafkaAdminClient) -> AsyncIterator[KafkaLog]:
    """Whose topics want two copies of what is appended; Kafka makes that one where there is one only."""
    made = KafkaLog(settings(broker, min_insync_replicas=2))
    yield made
    await made.close()


def settings(broker: Engine, **more: int) -> KafkaSettings:
    usual = {"replication": 1, "min_insync_replicas": 1, "request_seconds": 30.0}
    return KafkaSettings.model_validate({"servers": broker.address, **usual, **more})


def topic(name: str = "topic", retention: float = 3600.0) -> Topic:
    return Topic(f"contract.{uuid.uuid4().hex}.{name}", 1, retention)


KEPT: Final = {
    "chat4all.conversations": 7 * DAYS,
    "chat4all.events": 7 * DAYS,
    "chat4all.dlq": 70 * DAYS,
    "chat4all.outbound.local.x": 30 * DAYS,
}
HELD: Final = {
    "cleanup.policy": "delete",
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(4 << 20),
}


async def test_every_topic_is_kept_as_long_and_as_safely_as_it_has_to_be(
    log: KafkaLog, admin: AIOKafkaAdminClient
) -> None:
    made = {one.name: topic(one.name, one.retention_seconds) for one in installation.topics(Settings())}
    made["chat4all.outbound.local.x"] = topic("outbound", outbound_topic("local.x").retention_seconds)
    await log.create([*made.values()])
    found: dict[str, dict[str, str]] = {}
    wanted = dict.fromkeys([*HELD, "retention.ms"])
    for name, one in made.items():
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, one.name, wanted)])
        found[name] = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert found == {name: {**HELD, "retention.ms": str(kept)} for name, kept in KEPT.items()}


async def test_a_topic_has_as_many_copies_as_is_said_or_is_not_made(broker: Engine, admin: AIOKafkaAdminClient) -> None:
    log = KafkaLog(settings(broker, replication=3))
    try:
        with pytest.raises(EngineUnavailableError, match=r"[Rr]eplication factor"):
            await log.create([topic()])
    finally:
        await log.close()


async def test_an_append_that_the_broker_refuses_is_no_success(log: KafkaLog, admin: AIOKafkaAdminClient) -> None:
    made = topic()
    # Made with it: a topic's change is answered before the broker goes by it.
    await admin.create_topics([NewTopic(made.name, 1, 1, topic_configs={"max.message.bytes": "100"})])
    async with asyncio.timeout(60):
        while await log.partitions(made.name) != 1:
            await asyncio.sleep(0.05)
    with pytest.raises(EngineUnavailableError):
        await log.append([Entry(made.name, b"key", b"x" * 1000)])
    assert await log.read(made.name, 0, offset=0, limit=1) == []


async def test_every_append_is_of_a_producer_whose_repeats_are_known(log: KafkaLog, broker: Engine) -> None:
    """As the broker has it on disk: https://kafka.apache.org/documentation/#recordbatch. The client library makes such
    a producer only where all copies in sync have to have what is appended (acks)."""
    made = topic()
    await log.create([made])
    await log.append([Entry(made.name, b"key", b"value")])
    batch = (broker.folder / "data" / f"{made.name}-0" / f"{0:020}.log").read_bytes()
    producer, epoch, sequence = struct.unpack_from(">qhi", batch, 43)
    assert producer >= 0
    assert (epoch, sequence) == (0, 0)


# -- Cassandra


@pytest.fixture(params=[pytest.param("cassandra", marks=pytest.mark.engine)])
def session(request: pytest.FixtureRequest, keyspace: CassandraSettings) -> Iterator[Session]:
    with request.getfixturevalue("engines")[request.param].cluster() as cluster:
        found = cluster.connect()
        found.default_timeout = 60
        yield found


@pytest.fixture
def few(session: Session, keyspace: CassandraSettings) -> Iterator[CassandraSettings]:
    """The keyspace while two of its three copies are away."""
    copies = f"ALTER KEYSPACE {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': %d}}"
    session.execute(copies % 3, timeout=60)
    yield keyspace
    session.execute(copies % 1, timeout=60)


async def answered(port: Any, calls: Mapping[str, Any], why: str) -> set[str]:
    """The calls that did not fail for this reason."""
    found = set()
    for name, call in calls.items():
        try:
            await call(port)
        except EngineUnavailableError as error:
            assert why in str(error), name
        else:
            found.add(name)
    return found


async def test_the_store_answers_only_for_a_majority(few: CassandraSettings) -> None:
    here = new_id()
    rows = [test_store.a_row(here, 1), test_store.a_row(here, 2)]
    store = CassandraStore(few)
    calls = {**test_store.CALLS, "put_rows, several": lambda store: store.put_rows(rows, [])}
    try:
        assert await answered(store, calls, "Unavailable: ") == set()
    finally:
        await store.close()


async def test_the_ledger_answers_only_for_a_majority(few: CassandraSettings) -> None:
    ledger = CassandraLedger(few)
    try:
        assert await answered(ledger, test_ledger.CALLS, "Unavailable: ") == set()
    finally:
        await ledger.close()


async def test_what_the_store_does_not_answer_in_time_is_no_success(
    session: Session, keyspace: CassandraSettings
) -> None:
    store = CassandraStore(keyspace.model_copy(update={"at_once": 1}))
    await store.heads(["-"])  # it is connected
    store._session._settings = keyspace.model_copy(update={"request_seconds": -0.95})  # one more is allowed
    try:
        async with store._session._free:  # so that nobody has a turn
            with pytest.raises(EngineUnavailableError, match="no answer in time"):
                await store.put_heads([test_store.a_head(new_id(), 1)])
    finally:
        await store.close()


def test_a_keyspace_has_as_many_copies_as_is_said(session: Session, keyspace: CassandraSettings) -> None:
    """Where there are fewer nodes nothing more is made."""
    name = f"contract_{uuid.uuid4().hex[:8]}"
    with pytest.raises(Unavailable):
        cassandra_schema.migrate(keyspace.model_copy(update={"keyspace": name, "replication": 3}))
    assert kept(session, name) == (True, "NetworkTopologyStrategy", {"datacenter1": "3"})
    session.execute(f"DROP KEYSPACE {name}", timeout=60)


def kept(session: Session, keyspace: str) -> tuple[bool, str, dict[str, str]]:
    query = "SELECT durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
    durable, replication = session.execute(query, (keyspace,)).one()
    copies = dict(replication)
    return durable, copies.pop("class").rpartition(".")[2], copies


def test_what_a_table_has_stays(session: Session, keyspace: CassandraSettings) -> None:
    """Rows go by themselves only where a statement says so, and what was deleted does not come back."""
    assert kept(session, keyspace.keyspace) == (True, "NetworkTopologyStrategy", {"datacenter1": "1"})
    query = "SELECT table_name, default_time_to_live, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name=%s"
    tables = {name: (ttl, grace) for name, ttl, grace in session.execute(query, (keyspace.keyspace,))}
    soon = {"pending_receipts", "parked"}
    assert soon | {"messages", "heads", "plans", "attempts"} <= tables.keys()
    assert tables == {name: (0, 86_400 if name in soon else 864_000) for name in tables}


def test_a_node_syncs_before_it_answers(session: Session) -> None:
    """The node of these tests: what they find of kills would mean nothing else."""
    [found] = session.execute("SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'").one()
    assert found in {"batch", "group"}


# -- SQL


@pytest.fixture(params=["embedded", pytest.param("postgresql", marks=pytest.mark.engine)])
async def sql(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sql]:
    if request.param == "embedded":
        made = Sql.in_file(tmp_path / "directory.db", patience=PATIENCE)
    else:
        made = Sql.at(request.getfixturevalue("database"), patience=PATIENCE)
    yield made
    await made.close()


def deferred(connection: sa.Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE parent (x INTEGER PRIMARY KEY)")
    connection.exec_driver_sql("CREATE TABLE child (x INTEGER REFERENCES parent (x) DEFERRABLE INITIALLY DEFERRED)")


async def test_a_commit_that_fails_is_no_success(sql: Sql) -> None:
    """What a deferred key refers to is looked for by COMMIT, and by nothing before it."""
    await sql.write(deferred)
    with pytest.raises(sa.exc.IntegrityError):
        await sql.write(lambda connection: connection.exec_driver_sql("INSERT INTO child VALUES (7)"))
    count = await sql.read(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM child").scalar_one())
    assert count == 0
    await sql.write(lambda connection: connection.exec_driver_sql("DROP TABLE child"))
    await sql.write(lambda connection: connection.exec_driver_sql("DROP TABLE parent"))


async def test_what_is_not_answered_in_time_is_no_success(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_patience", 0.05)
    free = threading.Event()
    try:
        with pytest.raises(EngineUnavailableError, match="no answer"):
            await sql.write(lambda _: free.wait())
    finally:
        free.set()


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.engine)])
async def postgresql(request: pytest.FixtureRequest, database: DirectorySettings) -> AsyncIterator[Sql]:
    made = Sql.at(database, patience=PATIENCE)
    yield made
    await made.close()


async def test_a_line_that_is_cut_before_the_commit_is_no_success(postgresql: Sql, database: DirectorySettings) -> None:
    others = sa.create_engine(database.url())

    def cut(connection: sa.Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE never (x INTEGER)")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with others.connect() as other:
            assert other.exec_driver_sql(f"SELECT pg_terminate_backend({pid}, 60000)").scalar_one()

    with pytest.raises(EngineUnavailableError):
        await postgresql.write(cut)
    others.dispose()
    assert await postgresql.read(lambda c: c.exec_driver_sql("SELECT to_regclass('never')").scalar_one()) is None


async def test_whatever_is_asked_is_serializable_and_synced(postgresql: Sql) -> None:
    names = ("transaction_isolation", "synchronous_commit", "fsync", "full_page_writes")
    query = sa.select(*(sa.func.current_setting(name) for name in names))
    for asked in (
        await postgresql.write(lambda connection: connection.execute(query).one()),
        await postgresql.read(lambda connection: connection.execute(query).one()),
        (await postgresql.all(query))[0],
    ):
        assert dict(zip(names, asked, strict=True)) == dict.fromkeys(names, "on") | {names[0]: "serializable"}
