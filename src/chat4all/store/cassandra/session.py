"""A connection to Cassandra: statements prepared once, the driver's futures awaited in this loop, time bounded.

The driver has a thread of its own for all its sockets; an answer comes from there by call_soon_threadsafe. No thread
waits for a query.
"""

import asyncio
import functools
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cassandra import ConsistencyLevel, DriverException, InvalidRequest, RequestExecutionException
from cassandra.auth import AuthProvider, PlainTextAuthenticator
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    TokenAwarePolicy,
)
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import ErrorMessage
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, Statement, tuple_factory

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.model.errors import EngineUnavailableError, UnusableFileError
from chat4all.store.settings import CassandraSettings

_logger = logging.getLogger(__name__)

_MAX_BATCH_ROWS: Final = 100  # of one partition
_MAX_BATCH_CHARACTERS: Final = 1 << 20  # unless one row alone has more
_RECONNECT_SECONDS: Final = 1.0  # between tries to reach a node that is away
# After these a later try may succeed. The driver's exceptions have no class in common.
CONNECTION_ERRORS: Final = (
    DriverException,
    RequestExecutionException,
    NoHostAvailable,
    ConnectionException,
    NoConnectionsAvailable,
    ErrorMessage,  # of a node that is overloaded, or only starting
    OSError,
)


class CassandraSession:
    """A session runs prepared statements. `statements`: their CQL by name; `purpose`: what it is for, in log lines.

    Every method raises EngineUnavailableError within a bounded time."""

    def __init__(self, settings: CassandraSettings, statements: Mapping[str, str], *, purpose: str) -> None:
        self._outage = Outage(f"Cassandra ({purpose})")
        self._settings = settings
        self._cql = statements
        self._cluster: Cluster | None = None
        self._session: Session | None = None
        self._prepared: dict[str, PreparedStatement] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._free = asyncio.Semaphore(settings.at_once)
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()  # sessions that were given up

    async def close(self) -> None:
        """Disconnect from the cluster, once an attempt to connect has ended."""
        self._closed = True
        if self._ending:
            await asyncio.wait(self._ending)
        if self._connecting is not None:
            await asyncio.wait({self._connecting})
        if self._cluster is not None:
            await asyncio.to_thread(self._cluster.shutdown)

    async def release(self) -> str:
        """Return the release of Cassandra of the node that answers."""
        return str((await self.run("release"))[0][0])

    async def run(self, name: str, *values: object) -> list[tuple[Any, ...]]:
        """Run the statement of this name with these values, and return its rows."""
        await self._ready()
        return await self._execute(self._bound(name, values))

    async def run_all(self, name: str, many: Iterable[Sequence[object]]) -> list[list[tuple[Any, ...]]]:
        """Run the statement once with each of these values, side by side. Return the rows of each, in that order."""
        await self._ready()
        return await _together(self._execute(self._bound(name, values)) for values in many)

    async def write(self, partitions: Iterable[Sequence[tuple[str, Sequence[object]]]]) -> None:
        """Run statements with their values. Those of one partition are given together, and are sent as one unlogged
        batch, or several if there are many."""
        await self._ready()
        requests = []
        for writes in partitions:
            requests += [_batch([self._bound(*write) for write in some]) for some in _cut(writes)]
        await _together(map(self._execute, requests))

    def _bound(self, name: str, values: Sequence[object]) -> BoundStatement:
        return self._prepared[name].bind(values)

    async def _execute(self, statement: Statement) -> list[tuple[Any, ...]]:
        try:
            async with asyncio.timeout(self._settings.request_seconds + 1), self._free:
                rows = await self._all_pages(statement)
        except InvalidRequest:
            raise  # a fault in a statement of ours
        except TimeoutError as error:  # before the others: it is an OSError too
            raise self._away("no answer in time") from error
        except CONNECTION_ERRORS as error:
            if isinstance(error, NoHostAvailable) and self._settings.user:
                self._connect_anew()
            raise self._away(_sentence(error)) from error
        self._outage.answered()
        return rows

    def _connect_anew(self) -> None:
        """Let go of the session: after a login that was refused the driver never tries that node again, and the
        password may be another one by now. https://github.com/apache/cassandra-python-driver/blob/3.30.1/cassandra/pool.py"""
        if self._cluster is not None:
            ending = asyncio.create_task(asyncio.to_thread(self._cluster.shutdown))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            ending.add_done_callback(seen)
        self._cluster = self._session = None

    def _away(self, why: str) -> EngineUnavailableError:
        self._outage.failed(why)
        return EngineUnavailableError("store", why)

    async def _all_pages(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return the rows of all pages of the answer."""
        if self._session is None:
            raise EngineUnavailableError("store", "closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()
        response = self._session.execute_async(statement)
        rows: list[tuple[Any, ...]] = []

        def add_page(page: Sequence[tuple[Any, ...]] | None) -> None:
            rows.extend(page or ())
            if response.has_more_pages:
                response.start_fetching_next_page()
            else:
                _tell(loop, answer, rows)

        response.add_callbacks(add_page, functools.partial(_tell, loop, answer))
        return await answer

    async def _ready(self) -> None:
        """Connect and prepare the statements in a thread, the first time. All callers wait for the same thread."""
        if self._closed:
            raise EngineUnavailableError("store", "closed")
        if self._session is not None:
            return
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(asyncio.to_thread(self._connect))
            self._connecting.add_done_callback(seen)
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                await asyncio.shield(self._connecting)
        except TimeoutError as error:
            raise self._away("cannot connect in time") from error
        except InvalidRequest as error:
            why = f"its schema is not there, or older than this release ({_sentence(error)}): run chat4all migrate"
            raise self._away(why) from error
        except (*CONNECTION_ERRORS, UnusableFileError) as error:
            raise self._away(_sentence(error)) from error

    def _connect(self) -> None:
        cluster = cluster_of(self._settings)
        try:
            session = cluster.connect()
            self._prepared = {name: session.prepare(self._qualified(cql)) for name, cql in self._cql.items()}
        except BaseException:
            cluster.shutdown()
            raise
        self._cluster, self._session = cluster, session

    def _qualified(self, cql: str) -> str:
        """Return the statement with the keyspace before its table: a statement that is prepared in a session with a
        keyspace of its own is ambiguous on a node."""
        return re.sub(r"\b(FROM|INTO|UPDATE) (?=\w+ |\w+$)", rf"\1 {self._settings.keyspace}.", cql)


class _Login(AuthProvider):  # type: ignore[misc] # the driver has no types
    """The user, and the password that its file has when a connection is made."""

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings

    def new_authenticator(self, host: str) -> PlainTextAuthenticator:
        _ = host
        try:
            password = self._settings.password()
        except UnusableFileError as error:  # in a thread of the driver's, for which it is no reason to end
            _logger.warning("%s", error)
            password = ""
        return PlainTextAuthenticator(self._settings.user, password)


def cluster_of(settings: CassandraSettings) -> Cluster:
    """Return the driver's cluster, not yet connected. Raises StartError for files that cannot be read."""
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.datacenter)),
        retry_policy=FallthroughRetryPolicy(),  # the caller tries again, with what it knows by then
        consistency_level=ConsistencyLevel.name_to_value[settings.consistency],
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
        request_timeout=settings.request_seconds,
        row_factory=tuple_factory,
    )
    settings.check_files()
    login = _Login(settings) if settings.user else None
    return Cluster(
        [host.strip() for host in settings.hosts.split(",")],
        port=settings.port,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=login,
        ssl_context=settings.ssl_context(),
        connect_timeout=settings.request_seconds,
        control_connection_timeout=settings.request_seconds,
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
        protocol_version=5,
    )


def _cut(writes: Sequence[tuple[str, Sequence[object]]]) -> Iterator[Sequence[tuple[str, Sequence[object]]]]:
    """Yield the writes in groups that one request may hold: a node refuses a request that is larger than half a segment
    of its commit log."""
    start, total = 0, 0
    for i, (_, values) in enumerate(writes):
        size = sum(len(value) for value in values if isinstance(value, str | bytes))
        if i > start and (i - start >= _MAX_BATCH_ROWS or total + size > _MAX_BATCH_CHARACTERS):
            yield writes[start:i]
            start, total = i, 0
        total += size
    yield writes[start:]


def _batch(statements: Sequence[BoundStatement]) -> Statement:
    if len(statements) == 1:
        return statements[0]
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.add_all(statements, [None] * len(statements))
    return batch


async def _together(requests: Iterable[Any]) -> list[Any]:
    """Return the results of all requests. When one fails, its error is raised once the others have ended too."""
    results = await asyncio.gather(*requests, return_exceptions=True)
    for one in results:
        if isinstance(one, BaseException):
            raise one
    return results


def _tell(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], outcome: object) -> None:
    """Hand the outcome over to the loop. The driver's thread calls this."""

    def settle() -> None:
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
