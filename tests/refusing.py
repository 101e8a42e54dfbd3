"""SQLite engines that refuse what is written for a while, as on a file system that has become read-only."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator

import sqlalchemy as sa

from chat4all.directory.sql.engine import Sql
from chat4all.drivers.sqlite import Database


@contextlib.asynccontextmanager
async def refusing(database: Database) -> AsyncIterator[None]:
    """Nothing can be written into this file meanwhile; what is there can be read."""

    def writer(connection: sqlite3.Connection) -> sqlite3.Connection:
        return connection

    connection = await database.write(writer)
    connection.execute("PRAGMA query_only=ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA query_only=OFF")


@contextlib.contextmanager
def refusing_sql(sql: Sql) -> Iterator[None]:
    """The same of a directory in a file."""

    def close(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    sa.event.listen(sql._engine, "checkout", close)
    try:
        yield
    finally:
        sa.event.remove(sql._engine, "checkout", close)
        sql._engine.dispose()  # other connections are made from now on
