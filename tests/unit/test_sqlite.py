"""The database under the twins: group commit, what fails alone and what fails together, a full disk."""

import asyncio
import sqlite3
import threading

import pytest

from chat4all.drivers.sqlite import Database
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import Entry, Topic
from chat4all.model.errors import EngineUnavailableError

SCHEMA = "CREATE TABLE IF NOT EXISTS t (x INTEGER PRIMARY KEY)"


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "x.db", SCHEMA, engine="store")
    opened.open()
    yield opened
    opened.close()


def insert(value):
    return lambda connection: connection.execute("INSERT INTO t VALUES (?)", (value,)).rowcount


def everything(connection):
    return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY x")]


async def test_writes_that_wait_together_share_commits(database):
    before = database.commits
    await asyncio.gather(*(database.write(insert(number)) for number in range(500)))
    assert await database.read(everything) == list(range(500))
    assert database.commits - before < 100


async def test_a_write_that_fails_undoes_itself_and_nothing_else(database):
    def broken(connection):
        insert(7)(connection)
        raise LookupError("no")

    results = await asyncio.gather(
        database.write(insert(1)), database.write(broken), database.write(insert(2)), return_exceptions=True
    )
    assert isinstance(results[1], LookupError)
    assert await database.read(everything) == [1, 2]


async def test_an_error_of_the_engine_is_unavailability_and_passes(database):
    await database.write(insert(1))
    with pytest.raises(EngineUnavailableError, match="store is unavailable"):
        await database.write(insert(1))
    with pytest.raises(EngineUnavailableError):
        await database.read(lambda connection: connection.execute("SELECT nothing"))
    await database.write(insert(2))
    assert await database.read(everything) == [1, 2]


async def test_a_file_that_cannot_be_made_is_unavailability(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineUnavailableError):
        Database(tmp_path / "file" / "x.db", SCHEMA, engine="log").open()


async def test_closing_twice_and_asking_after_that(database):
    database.close()
    database.close()
    for asked in (database.write(insert(1)), database.read(everything)):
        with pytest.raises(EngineUnavailableError, match="closed"):
            await asked


async def test_a_full_disk_loses_nothing_and_passes(tmp_path):
    log = EmbeddedLog(tmp_path / "log.db")
    await log.open()
    await log.create([Topic("t", 1, 1e9)])
    (pages,) = await log._database.read(lambda c: c.execute("PRAGMA page_count").fetchone())

    def limit(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count={pages + 10}")

    await log._database.write(limit)
    offsets = []

    async def fill():
        while True:
            offsets.extend(await log.append([Entry("t", b"k", b"x" * 4000)]))

    with pytest.raises(EngineUnavailableError, match="full"):
        await fill()
    await log._database.write(lambda connection: connection.execute("PRAGMA max_page_count=1000000"))
    offsets += await log.append([Entry("t", b"k", b"y")])
    assert [at.offset for at in offsets] == list(range(len(offsets)))
    consumer = log.consumer("g", "t")
    read = [r.offset for batch in await consumer.poll(max_records=1000, timeout=1) for r in batch.records]
    assert read == list(range(len(offsets)))
    await log.close()


DEFERRED = """
PRAGMA foreign_keys=ON;
CREATE TABLE t (x INTEGER PRIMARY KEY);
CREATE TABLE child (x INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED);
"""


async def test_a_commit_that_fails_is_success_for_nobody(tmp_path):
    """What a deferred key refers to is looked for by COMMIT, and by nothing before it."""
    database = Database(tmp_path / "x.db", DEFERRED, engine="log")
    database.open()
    running, free = threading.Event(), threading.Event()
    committed: list[int] = []

    def hold(_):
        running.set()
        free.wait()

    async def write(statement):
        await database.write(lambda connection: connection.execute(statement).rowcount, on_commit=committed.append)

    first = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(running.wait)
    waiting = [asyncio.create_task(write(one)) for one in ("INSERT INTO t VALUES (1)", "INSERT INTO child VALUES (7)")]
    await asyncio.sleep(0)  # both wait for the next transaction now
    free.set()
    await first
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in results] == [EngineUnavailableError] * 2
    assert await database.read(everything) == []
    await write("INSERT INTO t VALUES (2)")
    assert (await database.read(everything), committed) == ([2], [1])
    database.close()


async def test_what_is_not_answered_in_time_is_not_answered_with_success(database, monkeypatch):
    monkeypatch.setattr("chat4all.drivers.sqlite._ANSWER_SECONDS", 0.05)
    free = threading.Event()
    try:
        with pytest.raises(EngineUnavailableError, match="the outcome is unknown"):
            await database.write(lambda _: free.wait())
    finally:
        free.set()
