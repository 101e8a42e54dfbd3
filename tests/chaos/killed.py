"""`python -m tests.chaos.killed dev ...`: the same program, which sends SIGKILL to itself at a named point.

KILL_AT=rows:3 ends it when its router has written rows for the third time, KILL_AT=step:40 when it has touched the disk
or a port for the fortieth time since it began. So a kill lands where it is meant to, on any machine, however slow.
Nothing of this is in the product.
"""

import asyncio
import contextlib
import functools
import inspect
import itertools
import mmap
import os
import signal
import sqlite3
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiohttp import ClientResponse

from chat4all.cli import app
from chat4all.connectors.connector import Connector
from chat4all.connectors.courier import Courier
from chat4all.connectors.inbound import Inbound
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.idempotency import Keyed
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.routing.router import Router
from chat4all.store.embedded.ledger import EmbeddedLedger

ASKED: Final = "KILL_AT"
STEPS: Final = "KILL_STEPS"  # names a file of eight bytes: how many steps there were, for whoever wants to know
STEP: Final = "step"
_SENDS: Final = "/sendMessage"


async def _at_once(*_: object, **__: object) -> None:
    """Nothing has to happen first."""


class Point(NamedTuple):
    """Before or after a call of this method; `when`: only for such a call, told what it was called with; `first`: what
    is waited for before it dies."""

    where: type[Any]
    method: str
    after: bool = True
    when: Callable[..., bool] = lambda *_, **__: True
    first: Callable[..., Awaitable[None]] = _at_once


def _sends(response: ClientResponse, _connection: object) -> bool:
    return response.url.path.endswith(_SENDS)


async def _is_written(response: ClientResponse, _connection: object) -> None:
    """The whole request is with the kernel; the library writes it in a task of its own."""
    while response._writer is not None:
        await asyncio.sleep(0)


def _is_left(connector: Any) -> bool:
    if connector._lanes.waiting <= len(connector._lanes._lanes):
        return False
    with contextlib.closing(sqlite3.connect(connector._log._database.path)) as connection:
        return bool(connection.execute(UNCOMMITTED).fetchone()[0] == 0)


# How many records the router has not committed.
UNCOMMITTED: Final = """
SELECT SUM(b.next - COALESCE(c.next, 0)) FROM bounds b
LEFT JOIN committed c ON c.topic = b.topic AND c.partition = b.partition AND c.grp = 'chat4all.router'
WHERE b.topic = 'chat4all.conversations'
"""
POINTS: Final = {
    # a client's request
    "accepted": Point(Acceptance, "_append"),  # it is in the log, and nothing is answered
    "remembered": Point(Keyed, "remember"),
    # the router's round
    "rows": Point(Router, "_put_rows"),
    "heads": Point(Router, "_put_heads"),
    "told": Point(Router, "_tell"),  # all is done, and nothing committed
    "committed": Point(Router, "_commit"),
    # a send
    "claimed": Point(EmbeddedLedger, "claim"),
    "asked": Point(ClientResponse, "start", after=False, when=_sends, first=_is_written),
    "answered": Point(EmbeddedLedger, "settle", after=False),  # the provider has done it, and nobody here knows
    "settled": Point(EmbeddedLedger, "settle"),
    "receipts": Point(Courier, "_tell"),
    # what it has to do is committed as far as it is done, and some of it waits behind others of the same chat
    "handed": Point(
        Connector, "_commit", when=lambda connector, _: connector._lanes.waiting > len(connector._lanes._lanes)
    ),
    # the same, and nobody will hand it over again
    "left": Point(Connector, "_commit", when=lambda connector, _: _is_left(connector)),
    # what a person writes
    "placed": Point(SqlChannels, "place"),  # where it belongs is known, and it is not in the log
    "heard": Point(Inbound, "_append"),  # it is in the log, and the provider does not know it
    # what a transaction left for the log
    "mailed": Point(SqlDirectory, "outbox_done", after=False),
}


def main() -> None:
    """Prepare the end, if one is asked for, then run the command."""
    name, _, nth = os.environ.get(ASKED, "").partition(":")
    if name == STEP:
        _count(int(nth))
    elif name:
        _prepare(name, POINTS[name], int(nth))
    app.main()


def _count(nth: int) -> None:
    """Before a statement of SQL, before and after a file is opened to be written, before a port is taken: each a
    step."""
    steps, shown = itertools.count(1), _shown()

    def step(_: object = None) -> None:
        number = next(steps)
        struct.pack_into("Q", shown, 0, number)
        if number == nth:
            die(f"{STEP}:{nth}")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.bind" or (event == "open" and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)):
            step()

    connect, opened = sqlite3.connect, os.open

    def traced(*given: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*given, **named)
        connection.set_trace_callback(step)
        return connection

    def held(path: Any, flags: int, *more: Any) -> int:
        file = opened(path, flags, *more)
        if flags & os.O_WRONLY:
            step()  # it is there, and empty
        return file

    sys.addaudithook(hook)
    os.open = held  # type: ignore[assignment] # it takes whatever os.open does: secret files are made by it, past the hook for open()
    sqlite3.connect = sqlite3.dbapi2.connect = traced  # type: ignore[assignment] # it takes whatever connect does; our code has the first name, SQLAlchemy the second


def _shown() -> Any:
    with Path(os.environ[STEPS]).open("r+b") as file:
        return mmap.mmap(file.fileno(), 8)


def _prepare(name: str, point: Point, nth: int) -> None:
    method = getattr(point.where, point.method)
    assert inspect.iscoroutinefunction(method), f"{name}: another kind of method than is known here"
    times = itertools.count(1)

    @functools.wraps(method)
    async def doomed(*given: Any, **named: Any) -> Any:
        counts = point.when(*given, **named)
        if counts and not point.after and next(times) == nth:
            await point.first(*given, **named)
            die(f"{name}:{nth}")
        result = await method(*given, **named)
        if counts and point.after and next(times) == nth:
            die(f"{name}:{nth}")
        return result

    setattr(point.where, point.method, doomed)


def die(where: str) -> None:
    """At once; the last word is in the log."""
    os.write(2, f"KILLED at {where}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
