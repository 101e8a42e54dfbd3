"""What suites that run over real engines share."""

import asyncio
import contextlib
import gc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql.engine import Sql
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.store.cassandra import schema as cassandra_schema
from chat4all.store.settings import CassandraSettings
from chat4all_devtools.stack.cassandra import Cassandra
from chat4all_devtools.stack.stack import Stack

KEYSPACE = DATABASE = "contract"
PATIENCE = 120.0  # seconds that a test waits for a database, however slow the machine
SLOW = 600.0  # seconds that a change of a schema may take: only a fault takes so long
# What these tests ask is answered in moments, or, on a machine that is very busy, when it is: as long as may be set.
PATIENT = {"request_seconds": 30.0}


@pytest.fixture
def nothing_left_open() -> Iterator[None]:
    """For tests whose connections end by faults: what one has left open is found when its other fixtures have ended,
    and is not blamed on whichever test comes next. `pytest.mark.usefixtures` has it begin before them."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def keyspace(engines: Stack) -> Iterator[CassandraSettings]:
    """A keyspace with the schema, made by `migrate`, and gone at the end."""
    engine = engines["cassandra"]
    assert isinstance(engine, Cassandra)
    settings = CassandraSettings(port=engine.port(), keyspace=KEYSPACE, replication=1, **PATIENT)
    with engine.cluster() as cluster:
        session = cluster.connect()
        session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=SLOW)  # of a run that was cut off
        assert cassandra_schema.migrate(settings) == [version for version, _ in cassandra_schema.steps()]
        assert cassandra_schema.migrate(settings) == [], "again, it finds all as it should be"
        yield settings
        session.execute(f"DROP KEYSPACE {KEYSPACE}", timeout=SLOW)


@pytest.fixture(scope="session")
def database(engines: Stack) -> Iterator[DirectorySettings]:
    """A database with the schema, and gone at the end."""
    engine = engines["postgresql"]
    settings = DirectorySettings(
        dialect="postgresql",
        port=engine.port(),
        database=DATABASE,
        user="chat4all",
        password_file=engine.password,
        connect_seconds=30,
        statement_seconds=30.0,
    )
    server = settings.model_copy(update={"database": "postgres"}).url().set(drivername="postgresql")
    with (
        contextlib.closing(psycopg2.connect(server.render_as_string(hide_password=False))) as connection,
        connection.cursor() as cursor,
    ):
        connection.autocommit = True
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")  # of a run that was cut off
        cursor.execute(f"CREATE DATABASE {DATABASE}")
        with ThreadPoolExecutor(1) as thread:  # a test's own loop may be running in this one
            thread.submit(asyncio.run, _migrate(settings)).result()
        yield settings
        cursor.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


async def _migrate(settings: DirectorySettings) -> None:
    sql = Sql.at(settings)
    try:
        for _ in range(2):  # again, it finds all as it should be
            await sql.migrate()
            await sql.check()
    finally:
        await sql.close()


@pytest.fixture
def redis_server(engines: Stack) -> RedisSettings:
    """A real server, with keys and channels of the test's own."""
    engine = engines["redis"]
    prefix = f"contract:{uuid.uuid4().hex}:"
    return RedisSettings(port=engine.port(), password_file=engine.password, prefix=prefix, request_seconds=10.0)
