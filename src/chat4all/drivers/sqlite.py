"""One SQLite file behind one writer thread and one reader thread: what the embedded twins of log and store stand on.

Writes that are waiting at the same moment share one transaction and so one sync to disk (group commit). A write is
on disk when its await returns: WAL with synchronous=FULL syncs at each commit (https://www.sqlite.org/wal.html).
"""

import asyncio
import concurrent.futures
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from chat4all.futures import seen
from chat4all.model.errors import EngineUnavailableError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_ANSWER_SECONDS: Final = 5.0
_MAX_TRANSACTION_WRITES: Final = 512
_MAX_WAITING: Final = 20_000  # writes, and as many reads; more are refused, so that memory stays bounded


class _Job:
    """A job is a write and the future of the caller that waits for it."""

    def __init__(self, work: Work[Any], on_commit: Callable[[Any], None] | None) -> None:
        self.work = work
        self._on_commit = on_commit
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def answer(self, result: object) -> None:
        """Hand the result over to the loop. The writer thread calls this."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._settle, result)

    def _settle(self, result: object) -> None:
        if self._on_commit is not None and not isinstance(result, BaseException):
            self._on_commit(result)
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Database:
    """The database is one file with its schema and two threads.

    `engine` names the port in errors. Every sqlite3.Error comes out as EngineUnavailableError: a full disk, a lost
    file and a locked one are all things that pass.
    """

    def __init__(self, path: Path, schema: str, *, engine: str, synchronous: str = "FULL") -> None:
        self.path = path
        self._engine = engine
        self._synchronous = synchronous
        self._schema = schema
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._reader: concurrent.futures.ThreadPoolExecutor | None = None
        self._reading: sqlite3.Connection | None = None
        self._reads = 0
        self.commits = 0

    def open(self) -> None:
        """Make the file if there is none, and start the threads. Raises EngineUnavailableError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            writing = self._connect()
            writing.executescript(self._schema)
            self._reading = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise EngineUnavailableError(self._engine, f"{self.path.name}: {error}") from error
        self._reader = concurrent.futures.ThreadPoolExecutor(1, f"{self._engine}-read")
        self._writer = threading.Thread(target=self._write, args=(writing,), name=f"{self._engine}-write", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Finish the writes that wait, then stop the threads. Closing twice is allowed."""
        if self._writer is None or self._reader is None or self._reading is None:
            return
        self._jobs.put(None)
        self._writer.join()
        self._reader.shutdown()
        self._reading.close()
        self._writer = None

    def check_open(self) -> None:
        """Check that the database is open. Raises EngineUnavailableError if it is closed or was never opened."""
        if self._writer is None:
            raise EngineUnavailableError(self._engine, "closed")

    async def write(self, work: Work[T], *, on_commit: Callable[[T], None] | None = None) -> T:
        """Run `work` in a transaction, and return its result once that is on disk. An exception of `work` undoes its
        own changes only.

        Raises EngineUnavailableError after 5 s; the outcome is unknown then. `on_commit` is called in the loop with the
        result once it is on disk, also when nobody waits for it any more.
        """
        self.check_open()
        if self._jobs.qsize() > _MAX_WAITING:
            raise EngineUnavailableError(self._engine, "too many writes wait")
        job = _Job(work, on_commit)
        self._jobs.put(job)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                result: T = await job.future
        except TimeoutError as error:
            raise EngineUnavailableError(
                self._engine, f"no answer in {_ANSWER_SECONDS:.0f} s; the outcome is unknown"
            ) from error
        return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot of what has been committed, and return its result. Raises EngineUnavailableError."""
        if self._writer is None or self._reader is None or self._reading is None:
            raise EngineUnavailableError(self._engine, "closed")
        if self._reads >= _MAX_WAITING:
            raise EngineUnavailableError(self._engine, "too many reads wait")
        self._reads += 1
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._reader, self._snapshot, self._reading, work)
        reading.add_done_callback(self._note_read_end)
        reading.add_done_callback(seen)
        return await self._in_time(reading)

    async def _in_time(self, answer: "asyncio.Future[T]") -> T:
        done, _ = await asyncio.wait({answer}, timeout=_ANSWER_SECONDS)
        if not done:
            raise EngineUnavailableError(self._engine, f"no answer in {_ANSWER_SECONDS:.0f} s")
        return answer.result()

    def _note_read_end(self, _: object) -> None:
        self._reads -= 1

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        for setting in ("journal_mode=WAL", f"synchronous={self._synchronous}", "busy_timeout=2000"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    def _snapshot(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        try:
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise EngineUnavailableError(self._engine, str(error)) from error

    def _write(self, connection: sqlite3.Connection) -> None:
        while jobs := self._waiting():
            results = self._transact(connection, jobs)
            for job, result in zip(jobs, results, strict=True):
                job.answer(result)
        connection.close()

    def _waiting(self) -> list[_Job]:
        """Wait for a write and return it with those that wait beside it, as many as one transaction takes. An empty
        list means that the thread is to end."""
        first = self._jobs.get()
        if first is None:
            return []
        jobs = [first]
        while len(jobs) < _MAX_TRANSACTION_WRITES:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _transact(self, connection: sqlite3.Connection, jobs: list[_Job]) -> list[object]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            results = [self._one(connection, job) for job in jobs]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):  # a thread that ended here would leave everyone waiting
                connection.execute("ROLLBACK")
            return [EngineUnavailableError(self._engine, str(error)) for _ in jobs]
        self.commits += 1
        return results

    @staticmethod
    def _one(connection: sqlite3.Connection, job: _Job) -> object:
        """Return the result of one job, or the exception that it raised. A sqlite3.Error is raised, because it ends the
        whole transaction."""
        connection.execute("SAVEPOINT job")
        try:
            result: object = job.work(connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - it is raised where the job is waited for
            connection.execute("ROLLBACK TO job")
            result = error
        connection.execute("RELEASE job")
        return result
