"""The store's schema on Cassandra is made and brought up to date here: each file of `migrations/` once, in order."""

import asyncio
import functools
import importlib.resources
import re
from collections.abc import Iterator
from typing import Final

from cassandra.cluster import Session

from chat4all.model import schemas
from chat4all.model.errors import EngineUnavailableError, UnusableFileError
from chat4all.model.schemas import Schema, number
from chat4all.store.cassandra.session import CONNECTION_ERRORS, CassandraSession, cluster_of
from chat4all.store.settings import CassandraSettings

_SCHEMA_CHANGE_SECONDS: Final = 60.0
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version text PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS schema_serves (name text PRIMARY KEY, oldest int)",
)
_SCHEMA: Final = "chat4all"
_SERVES: Final = 1  # the oldest release that the newest schema serves, by its newest step: see model/schemas.py
STATEMENTS: Final = {
    "schema_versions": "SELECT version FROM schema_versions",
    "schema_serves": "SELECT oldest FROM schema_serves WHERE name = ?",
}


async def migrated(settings: CassandraSettings) -> list[str]:
    """Run `migrate` in a thread, and return what it returns. Raises EngineUnavailableError."""
    try:
        return await asyncio.to_thread(migrate, settings)
    except (*CONNECTION_ERRORS, UnusableFileError) as error:
        raise EngineUnavailableError("store", str(error)) from error


def migrate(settings: CassandraSettings) -> list[str]:
    """Apply the versions that are missing, and return them; a newer schema stays as it is. This blocks, and one process
    at a time may run it.

    Every step may be done again, so the next run goes on with one that was cut off. Raises what the driver raises.
    """
    cluster = cluster_of(settings)
    try:
        session = cluster.connect()
        copies = f"{{'class': 'NetworkTopologyStrategy', '{settings.datacenter}': {settings.replication}}}"
        _run(session, f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {copies}")
        session.set_keyspace(settings.keyspace)
        for table in _TABLES:
            _run(session, table)
        known = {version for (version,) in _run(session, "SELECT version FROM schema_versions")}
        fresh = [(version, cql) for version, cql in steps() if version not in known]
        for version, cql in fresh:
            for statement in statements(cql):
                _run(session, statement)
            _run(session, "INSERT INTO schema_versions (version) VALUES (%s)", version)
        if max(map(number, known), default=0) <= newest():
            _run(session, "INSERT INTO schema_serves (name, oldest) VALUES (%s, %s)", _SCHEMA, _SERVES)
        return [version for version, _ in fresh]
    finally:
        cluster.shutdown()


@functools.cache
def newest() -> int:
    """Return the number of the newest step that this release knows."""
    return max(number(version) for version, _ in steps())


async def check(what: str, session: CassandraSession) -> None:
    """See that the schema is one that this release works with. Raises NotMigratedError, EngineUnavailableError.

    `session`: one whose statements are among others those of `STATEMENTS`.
    """
    versions = [number(version) for (version,) in await session.run("schema_versions")]
    serves = await session.run("schema_serves", _SCHEMA)
    schemas.check(what, Schema(max(versions, default=0), serves[0][0] if serves else 0), newest())


def steps() -> Iterator[tuple[str, str]]:
    """Yield each version and its CQL, in order."""
    folder = importlib.resources.files("chat4all.store.cassandra.migrations")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".cql"):
            yield file.name.removesuffix(".cql"), file.read_text(encoding="utf-8")


def statements(cql: str) -> list[str]:
    """Return the statements of a file, without its comments."""
    bare = re.sub(r"--.*", "", cql)
    return [one.strip() for one in bare.split(";") if one.strip()]


def _run(session: Session, cql: str, *values: object) -> list[tuple[str, ...]]:
    return list(session.execute(cql, values, timeout=_SCHEMA_CHANGE_SECONDS))
