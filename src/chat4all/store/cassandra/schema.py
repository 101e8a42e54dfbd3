"""Making the store's schema on Cassandra, and bringing it up to date: a file of `migrations/` once each, in order."""

import asyncio
import importlib.resources
import re
from collections.abc import Iterator
from typing import Final

from cassandra.cluster import Session

from chat4all.model.errors import EngineUnavailableError
from chat4all.store.cassandra.session import AWAY, cluster_of
from chat4all.store.settings import CassandraSettings

_SLOW: Final = 60.0  # seconds that a change of the schema may take
_APPLIED: Final = "CREATE TABLE IF NOT EXISTS schema_versions (version text PRIMARY KEY)"


async def migrated(settings: CassandraSettings) -> list[str]:
    """As `migrate`, in a thread. Raises EngineUnavailableError."""
    try:
        return await asyncio.to_thread(migrate, settings)
    except AWAY as error:
        raise EngineUnavailableError("store", str(error)) from error


def migrate(settings: CassandraSettings) -> list[str]:
    """Make what is not there; the versions that were applied now. Blocking, to be run by one process at a time.

    Every step may be done again, so that one that was cut off is gone on with. Raises what the driver raises.
    """
    cluster = cluster_of(settings)
    try:
        session = cluster.connect()
        copies = f"{{'class': 'NetworkTopologyStrategy', '{settings.datacenter}': {settings.replication}}}"
        _run(session, f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = {copies}")
        session.set_keyspace(settings.keyspace)
        _run(session, _APPLIED)
        known = {version for (version,) in _run(session, "SELECT version FROM schema_versions")}
        fresh = [(version, cql) for version, cql in steps() if version not in known]
        for version, cql in fresh:
            for statement in statements(cql):
                _run(session, statement)
            session.execute("INSERT INTO schema_versions (version) VALUES (%s)", (version,), timeout=_SLOW)
        return [version for version, _ in fresh]
    finally:
        cluster.shutdown()


def steps() -> Iterator[tuple[str, str]]:
    """Each version and its CQL, in order."""
    folder = importlib.resources.files("chat4all.store.cassandra.migrations")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".cql"):
            yield file.name.removesuffix(".cql"), file.read_text(encoding="utf-8")


def statements(cql: str) -> list[str]:
    """The statements of a file, without its comments."""
    bare = re.sub(r"--.*", "", cql)
    return [one.strip() for one in bare.split(";") if one.strip()]


def _run(session: Session, cql: str) -> list[tuple[str, ...]]:
    return list(session.execute(cql, timeout=_SLOW))
