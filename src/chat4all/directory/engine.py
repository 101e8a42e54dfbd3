"""An SQL database through SQLAlchemy's blocking drivers, behind a bounded pool of threads."""

import asyncio
import concurrent.futures
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from chat4all.directory import migrations
from chat4all.model.errors import EngineUnavailableError

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_WAITING: Final = 1000  # requests that may wait for a thread; more are refused
_ALLOWED: Final = 5.0  # seconds that anyone waits for an answer
_SQLITE: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=4000",
    "case_sensitive_like=ON",
)


class Sql:
    """The database at an SQLAlchemy URL. sqlalchemy.exc.IntegrityError comes out as it is, all else as
    EngineUnavailableError."""

    def __init__(self, url: str, *, threads: int = 4) -> None:
        self._engine = sa.create_engine(url, pool_size=threads, max_overflow=0, pool_timeout=_ALLOWED)
        self._threads = concurrent.futures.ThreadPoolExecutor(threads, "directory")
        self._closed = False
        self._waiting = 0
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)

    @classmethod
    def in_file(cls, path: Path) -> "Sql":
        """One SQLite file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{path}")

    async def open(self) -> None:
        """Bring the schema up to date. Raises EngineUnavailableError."""
        await self._run(lambda: migrations.upgrade(self._engine))

    async def close(self) -> None:
        """Close the connections and stop the threads."""
        self._closed = True
        self._threads.shutdown()
        self._engine.dispose()

    async def all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """The rows of one query."""
        return await self.read(lambda connection: connection.execute(query).all())

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that only reads."""

        def run() -> T:
            with self._engine.connect() as connection:
                return work(connection)

        return await self._run(run)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a serializable transaction; on return it is on disk."""

        def run() -> T:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                return work(connection)

        return await self._run(run)

    async def _run(self, call: Callable[[], T]) -> T:
        if self._closed:
            raise EngineUnavailableError("directory", "closed")
        if self._waiting >= _WAITING:
            raise EngineUnavailableError("directory", "too many requests wait for it")
        self._waiting += 1
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, call)
        waiting.add_done_callback(self._answered)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), _ALLOWED)
        except sa.exc.IntegrityError:
            raise
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise EngineUnavailableError("directory", str(error.__cause__ or error)) from error
        except TimeoutError as error:
            waiting.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise EngineUnavailableError("directory", f"no answer in {_ALLOWED:.0f} s") from error

    def _answered(self, _: object) -> None:
        self._waiting -= 1


def _prepare_sqlite(engine: sa.Engine) -> None:
    """Serializable transactions that are on disk when they end, as the distributed database has them.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    """

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for setting in _SQLITE:
            connection.execute(f"PRAGMA {setting}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A reader that turned writer would fail under another writer; one that says so at once waits.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
