"""What fails after whoever asked has gone is nobody's complaint: each place where a thread works for the loop."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa

from chat4all.directory.sql.engine import Sql
from chat4all.drivers.sqlite import Database


class Late:
    """Work in a thread that begins, and fails when it is told to."""

    def __init__(self) -> None:
        self.begun, self.fails = threading.Event(), threading.Event()

    def __call__(self, _: object) -> NoReturn:
        self.begun.set()
        self.fails.wait()
        raise sa.exc.OperationalError("SELECT", None, Exception("it went away"))


Ask = Callable[[Callable[[Any], object]], Awaitable[object]]


@pytest.fixture(params=["sql write", "sql read", "database"])
async def ask(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    """How a thread is asked for work."""
    if request.param == "database":
        database = Database(tmp_path / "store.db", "", engine="store")
        database.open()
        yield database.read
        database.close()
    else:
        sql = Sql.in_file(tmp_path / "directory.db")
        yield sql.write if "write" in request.param else sql.read
        await sql.close()


async def test_work_that_fails_when_nobody_waits_any_more_is_not_complained_of(ask: Ask) -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    late = Late()
    asking = asyncio.ensure_future(ask(late))
    await asyncio.to_thread(late.begun.wait)
    asking.cancel()
    await asyncio.wait({asking})
    late.fails.set()
    # The same thread, or another after it, has told the loop of everything that came before.
    await asyncio.gather(*(ask(lambda _: None) for _ in range(8)))
    del asking
    gc.collect()
    assert complaints == []
