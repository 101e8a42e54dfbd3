"""An SQL database through SQLAlchemy's blocking drivers, behind a bounded pool of threads."""

import asyncio
import concurrent.futures
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from chat4all.backoff import Backoff
from chat4all.directory.settings import DirectorySettings
from chat4all.directory.sql import migrations
from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.model import schemas
from chat4all.model.engines import Description
from chat4all.model.errors import EngineUnavailableError, UnusableFileError

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_MAX_WAITING_REQUESTS: Final = 1000  # for a thread; more are refused
_ANSWER_SECONDS: Final = 5.0
_SCHEMA_CHANGE_SECONDS: Final = 60.0
_SQLITE_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=4000",
    "case_sensitive_like=ON",
)


# A serializable transaction may end with these through no fault of its own, or in a deadlock: it is done again.
# https://www.cockroachlabs.com/docs/stable/transaction-retry-error-reference, the same codes as PostgreSQL's.
_RETRIED_SQLSTATES: Final = {"40001", "40P01"}
_FIRST_RETRY_SECONDS: Final = 0.005
_MAX_RETRY_SECONDS: Final = 0.2


class Sql:
    """The database at an SQLAlchemy URL runs queries and transactions in its threads.

    sqlalchemy.exc.IntegrityError is raised as it is, any other error of the database as EngineUnavailableError. The
    work of a transaction may be done several times, until it has gone through. `patience`: seconds until a caller stops
    waiting for an answer.
    """

    def __init__(
        self,
        url: str | sa.URL,
        *,
        threads: int = 4,
        connect_args: Mapping[str, Any] | None = None,
        patience: float = _ANSWER_SECONDS,
    ) -> None:
        self._patience = patience
        self._engine = sa.create_engine(
            url,
            pool_size=threads,
            max_overflow=0,
            pool_timeout=patience,
            isolation_level="SERIALIZABLE",
            connect_args=dict(connect_args or {}),
        )
        # A single statement is a transaction by itself, and takes one round trip to the server instead of three.
        alone = {} if self._engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
        self._alone = self._engine.execution_options(**alone)
        self._threads = concurrent.futures.ThreadPoolExecutor(threads, "directory")
        self._outage = Outage(f"The directory ({self._engine.dialect.name})")
        self._closed = False
        self._waiting = 0
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)

    @classmethod
    def in_file(cls, path: Path, *, patience: float = _ANSWER_SECONDS) -> "Sql":
        """Return the database in this SQLite file, whose folder is made if need be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}", patience=patience)

    @classmethod
    def at(cls, settings: DirectorySettings, *, patience: float = _ANSWER_SECONDS) -> "Sql":
        """Return the database on a server. Raises StartError for a file that cannot be read."""
        settings.check_files()
        connect_args = settings.connects()
        made = cls(settings.url(), threads=settings.connections, connect_args=connect_args, patience=patience)
        _log_in_by(made._engine, settings)
        return made

    async def open(self) -> None:
        """Bring a file's schema up to date; that of a server is left to `migrate`. Raises EngineUnavailableError."""
        if self._engine.dialect.name == "sqlite":
            await self.migrate()

    async def migrate(self) -> str:
        before, newest = (await self.read(migrations.found)).version, migrations.newest()
        if before > newest:
            return f"schema {before}, newer than this release's {newest}: left as it is"
        try:
            await self._run(lambda: migrations.upgrade(self._engine), seconds=_SCHEMA_CHANGE_SECONDS)
        except sa.exc.IntegrityError as error:  # the database's own tables of tables
            raise self._away("another migration is under way") from error
        return f"schema {newest}" + ("" if before == newest else f", was {before or 'empty'}")

    async def check(self) -> None:
        schemas.check("directory", await self.read(migrations.found), migrations.newest())

    async def describe(self) -> Description:
        name = self._engine.dialect.name
        if name == "sqlite":
            return Description(f"SQLite {sqlite3.sqlite_version}, {self._engine.url.database}")
        query = "SELECT version(), extract(epoch FROM clock_timestamp())"
        version, clock = await self.read(lambda connection: tuple(connection.exec_driver_sql(query).one()))
        return Description(f"{name} {version}", float(clock))

    async def close(self) -> None:
        """Close the connections and stop the threads."""
        self._closed = True
        # In a thread: those of the pool may wait for a database that hangs, and the loop must not wait with them.
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """Run one query, and return its rows."""

        def run() -> Sequence[sa.Row[Any]]:
            with self._alone.connect() as connection:
                return connection.execute(query).all()

        return await self._run(lambda: _until_through(run, self._patience * 0.8))

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that only reads, and return its result."""

        def run() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        return await self._run(lambda: _until_through(run, self._patience * 0.8))

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a serializable transaction, and return its result once that is on disk."""

        def run() -> T:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)

        return await self._run(lambda: _until_through(run, self._patience * 0.8))

    async def _run(self, call: Callable[[], T], *, seconds: float | None = None) -> T:
        seconds = self._patience if seconds is None else seconds
        if self._closed:
            raise EngineUnavailableError("directory", "closed")
        if self._waiting >= _MAX_WAITING_REQUESTS:
            raise EngineUnavailableError("directory", "too many requests wait for it")
        self._waiting += 1
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, call)
        waiting.add_done_callback(self._answered)
        waiting.add_done_callback(seen)
        try:
            async with asyncio.timeout(seconds):
                result = await waiting  # cancelled where it has not begun: nobody would wait for it later
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise self._away(str(error.__cause__ or error)) from error
        except UnusableFileError as error:
            raise self._away(str(error)) from error
        except TimeoutError as error:
            raise self._away(f"no answer in {seconds:.0f} s") from error
        self._outage.answered()
        return result

    def _away(self, why: str) -> EngineUnavailableError:
        self._outage.failed(why)
        return EngineUnavailableError("directory", why)

    def _answered(self, _: object) -> None:
        self._waiting -= 1


def _log_in_by(engine: sa.Engine, settings: DirectorySettings) -> None:
    """Have the engine log in with the password that its file has when a connection is made."""

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> None:
        if settings.password_file is not None:
            parameters["password"] = settings.password()


def _until_through(transaction: Callable[[], T], patience: float) -> T:
    """Run the transaction until the database does not refuse it any more for having been in the way of another, at most
    for `patience` seconds. The pauses between tries get longer. Raises what the database raises."""
    deadline, backoff = time.monotonic() + patience, Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
    while True:
        try:
            return transaction()
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _RETRIED_SQLSTATES or time.monotonic() > deadline:
                raise
        time.sleep(backoff.failed())  # in a thread of the pool: the loop goes on


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Make SQLite's transactions serializable, and on disk when they end, as the distributed database has them.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    """

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for setting in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A reader that becomes a writer fails beside another writer; a transaction that begins as a writer waits.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
