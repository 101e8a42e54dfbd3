"""Each engine with TLS, a certificate of the client's and a password: who has all is let in, who has not is told."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.contract.secured_engines import SECURED, Certificates, certificates
from tests.engines import restart

from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql.engine import Sql
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.files.bucket import Bucket
from chat4all.files.settings import FilesSettings
from chat4all.log.kafka.log import KafkaLog
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.realtime.redis.realtime import RedisRealtime
from chat4all.store.cassandra.store import CassandraStore
from chat4all.store.settings import CassandraSettings
from chat4all_devtools.stack.engine import Engine
from chat4all_devtools.stack.stack import Stack

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("nothing_left_open")]
DEADLINE = 120.0  # seconds


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(
    engines: Stack, made: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Engine]]:
    """One of each, beside those that everybody shares; from the same library."""
    folder = tmp_path_factory.mktemp("secured")
    for above in (folder, *folder.parents):
        if above.is_relative_to(tmp_path_factory.getbasetemp().parent):
            above.chmod(above.stat().st_mode | 0o055)  # PostgreSQL is run by a user of its own
    made_of = {name: kind(folder, engines[name].library) for name, kind in SECURED.items()}

    def begin(engine: Any) -> None:
        engine.made = made
        engine.choose_ports(free=True)
        engine.start()
        engine.wait()

    try:
        with ThreadPoolExecutor() as threads:
            list(threads.map(begin, made_of.values()))
        yield made_of
    finally:
        for engine in made_of.values():
            engine.stop()


def leads_to(port: int, one: socket.socket) -> bool:
    """Whether it is connected with this port."""
    try:
        return one.family == socket.AF_INET and one.getpeername()[1] == port
    except OSError:
        return False


async def closed(port: int) -> None:
    """Wait until no connection to this port is open: a library's close may return while TLS still takes its leave, and
    the loop has to go on until it has."""
    sockets = [one for one in gc.get_objects() if isinstance(one, socket.socket) and leads_to(port, one)]
    async with asyncio.timeout(DEADLINE):
        while any(one.fileno() != -1 for one in sockets):
            await asyncio.sleep(0.01)


Ask = Callable[[], Awaitable[None]]


async def once(ask: Ask) -> None:
    await ask()


async def answered(ask: Ask) -> None:
    """Ask until it is answered."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(EngineUnavailableError):
                return await ask()
            await asyncio.sleep(0.1)


async def kafka(engine: Engine, how: Callable[[Ask], Awaitable[None]] = once, **given: Any) -> None:
    log = KafkaLog(KafkaSettings(servers=engine.address, user="chat4all", **given))

    async def ask() -> None:
        log.login.refresh()  # as the process does now and then
        assert await log.partitions("nothing") == 0

    try:
        await how(ask)
    finally:
        await log.close()


async def cassandra(engine: Engine, how: Callable[[Ask], Awaitable[None]] = once, **given: Any) -> None:
    store = CassandraStore(CassandraSettings(port=engine.port(), user="cassandra", keyspace="system", **given))
    store._session._cql = {"release": store._session._cql["release"]}  # no migrate has been here: no table is there

    async def ask() -> None:
        assert "Cassandra" in (await store.describe()).text

    try:
        await how(ask)
    finally:
        await store.close()


async def postgresql(engine: Engine, how: Callable[[Ask], Awaitable[None]] = once, **given: Any) -> None:
    place = {"dialect": "postgresql", "port": engine.port(), "database": "postgres", "user": "chat4all"}
    sql = Sql.at(DirectorySettings(**place, **given))

    async def ask() -> None:
        assert "PostgreSQL" in (await sql.describe()).text

    try:
        await how(ask)
    finally:
        await sql.close()


async def redis(engine: Engine, how: Callable[[Ask], Awaitable[None]] = once, **given: Any) -> None:
    realtime = RedisRealtime(RedisSettings(port=engine.port(), **given))

    async def ask() -> None:
        assert "Redis" in (await realtime.describe()).text

    try:
        await how(ask)
    finally:
        await realtime.close()
        await closed(engine.port())


async def minio(engine: Engine, how: Callable[[Ask], Awaitable[None]] = once, **given: Any) -> None:
    bucket = Bucket(FilesSettings(endpoint=engine.address, user="chat4all", **given))

    async def ask() -> None:
        try:
            await bucket.describe()
        except StartError as error:
            if "there is no bucket" not in str(error):
                raise

    await how(ask)


WITHOUT = {"minio"}  # S3 knows its clients by their keys
CONNECT: dict[str, Callable[..., Awaitable[None]]] = {
    one.__name__: one for one in (kafka, cassandra, postgresql, redis, minio)
}


@pytest.fixture(params=CONNECT)
def name(request: pytest.FixtureRequest) -> str:
    """By which the summary counts."""
    found: str = request.param
    return found


@pytest.fixture
def connect(secured: Mapping[str, Engine], made: Certificates, name: str) -> Callable[..., Awaitable[None]]:
    """Connect with all that is right, but for what is given."""
    files = {"ca_file": made.ca, "certificate_file": made.certificate, "key_file": made.key}
    right = {"tls": True, **files, "password_file": secured[name].password}

    async def connecting(**given: Any) -> None:
        await CONNECT[name](secured[name], **{**right, **given})

    return connecting


@pytest.fixture
def password(secured: Mapping[str, Engine], name: str) -> Path:
    return secured[name].password


async def let_in(connect: Callable[..., Awaitable[None]], **given: Any) -> None:
    """Sooner or later: an engine that has just started may take longer than is set to be answered by."""
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(EngineUnavailableError):
                return await connect(**given)


async def test_who_has_all_is_let_in(connect: Callable[..., Awaitable[None]]) -> None:
    await let_in(connect)


@pytest.mark.parametrize("what", ["password_file", "ca_file"])
async def test_a_file_that_changes_holds_for_the_next_connection_of_the_same_client(
    connect: Callable[..., Awaitable[None]], password: Path, made: Certificates, tmp_path: Path, what: str
) -> None:
    """A pod is not started anew for a changed Secret."""
    right = {"password_file": password, "ca_file": made.ca}[what].read_text()
    file = tmp_path / what
    file.write_text({"password_file": "not-the-password", "ca_file": made.foreign.read_text()}[what])

    async def mended_meanwhile(ask: Ask) -> None:
        with pytest.raises(EngineUnavailableError):
            await ask()
        file.write_text(right)
        await answered(ask)

    await connect(how=mended_meanwhile, **{what: file})


async def test_a_session_of_cassandra_outlives_a_login_that_was_refused(
    secured: Mapping[str, Engine], made: Certificates, tmp_path: Path
) -> None:
    """The driver never tries a node again that has refused its password."""
    engine, file = secured["cassandra"], tmp_path / "password"
    right = engine.password.read_text()
    file.write_text(right)
    files = {"ca_file": made.ca, "certificate_file": made.certificate, "key_file": made.key, "password_file": file}

    async def interrupted(ask: Ask) -> None:
        await answered(ask)
        file.write_text("not-the-password")
        await asyncio.to_thread(restart, engine)
        said = ""
        async with asyncio.timeout(DEADLINE):
            while "AuthenticationFailed" not in said:
                try:
                    await ask()
                except EngineUnavailableError as error:
                    said = str(error)
                await asyncio.sleep(0.1)
        file.write_text(right)
        await answered(ask)

    await cassandra(engine, how=interrupted, tls=True, **files)


@pytest.mark.parametrize("wrong", ["another authority", "no TLS", "another password"])
async def test_who_has_not_is_told_so(
    connect: Callable[..., Awaitable[None]], made: Certificates, tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "password").write_text("not-the-password")
    cases: dict[str, dict[str, Any]] = {
        "another authority": {"ca_file": made.foreign},
        "no TLS": {"tls": False},
        "another password": {"password_file": tmp_path / "password"},
    }
    with pytest.raises(EngineUnavailableError) as refused:
        await connect(**cases[wrong])
    assert "not-the-password" not in str(refused.value)


async def test_who_shows_no_certificate_is_let_in_only_where_keys_are_enough(
    connect: Callable[..., Awaitable[None]], name: str
) -> None:
    without: dict[str, Any] = {"certificate_file": None, "key_file": None}
    if name in WITHOUT:
        await let_in(connect, **without)
    else:
        with pytest.raises(EngineUnavailableError):
            await connect(**without)


@pytest.mark.parametrize(
    ("setting", "file"), [("CA_FILE", "nowhere.pem"), ("CERTIFICATE_FILE", "empty"), ("PASSWORD_FILE", "nowhere")]
)
async def test_a_file_that_cannot_be_used_is_named_with_its_setting(
    connect: Callable[..., Awaitable[None]], tmp_path: Path, name: str, setting: str, file: str
) -> None:
    section = {"postgresql": "DIRECTORY", "minio": "FILES"}.get(name, name.upper())
    (tmp_path / "empty").touch()
    with pytest.raises(
        (StartError, EngineUnavailableError), match=f"CHAT4ALL_{section}__{setting}: cannot use {tmp_path / file}"
    ):
        await connect(**{setting.lower(): tmp_path / file})
