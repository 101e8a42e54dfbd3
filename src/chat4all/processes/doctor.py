"""Examining the engines: what each is, how quick it is, and what is wrong with what is kept there."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from chat4all.files import bucket
from chat4all.log.kafka.topics import TopicInfo
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import schema
from chat4all.processes.config import Settings
from chat4all.processes.distributed import Distributed

_SKEW: Final = 2.0  # seconds that an engine's clock may differ
_SLOW: Final = 0.1  # seconds that a look may take in a data center


class Finding(NamedTuple):
    """What was found. `wrong`: empty where all is well; `advice`: what to do then."""

    part: str
    well: str
    wrong: str = ""
    advice: str = ""


Look = Callable[[], Awaitable[str]]


async def examine(on: Distributed, settings: Settings) -> AsyncIterator[Finding]:
    """Look at one after the other. Never raises for an engine."""
    looks: list[tuple[str, Look, str]] = [
        ("log", lambda: _log(on, settings), "CHAT4ALL_KAFKA__SERVERS"),
        ("store", lambda: _store(on), "CHAT4ALL_CASSANDRA__HOSTS"),
        ("directory", on.sql.server, "CHAT4ALL_DIRECTORY__HOST"),
        ("realtime", lambda: _redis(on), "CHAT4ALL_REDIS__HOST"),
        ("files", lambda: _files(settings), "CHAT4ALL_FILES__ENDPOINT"),
    ]
    for part, look, variable in looks:
        yield await _looked(part, look, variable)
    yield await _clock(on)
    yield await _schema(on)


async def _looked(part: str, look: Look, variable: str) -> Finding:
    try:
        await look()  # it connects
        began = time.monotonic()
        found = await look()
    except (EngineUnavailableError, StartError) as error:
        return Finding(part, "", str(error), f"See that it runs and that {variable} and its neighbours are right.")
    took = time.monotonic() - began
    if took > _SLOW:
        return Finding(part, "", f"{found}; it takes {took * 1000:.0f} ms to answer", "It is far away or overloaded.")
    return Finding(part, f"{found}; {took * 1000:.1f} ms")


async def _log(on: Distributed, settings: Settings) -> str:
    """Kafka's protocol names no release; what counts is how it keeps the topics."""
    told = []
    for topic in schema.topics(settings):
        kept = await on.log.kept(topic.name)
        if kept is None:
            told.append(f"{topic.name} is not there yet")
            continue
        found, needed = kept
        told.append(_copies(topic.name, found, needed, settings))
    return f"Kafka: {'; '.join(told)}"


def _copies(topic: str, found: TopicInfo, needed: int, settings: Settings) -> str:
    """Raises StartError for a topic that is kept worse than it is to be, or cannot be appended to."""
    wanted = settings.kafka
    said = f"{topic} has {found.partitions} partitions, {found.copies} copies of each, {found.in_sync} in sync"
    if found.in_sync < needed:
        raise StartError(
            f"{said}, and an append needs {needed}: brokers are away, or behind; {found.brokers} are there"
        )
    if found.copies < wanted.replication:
        raise StartError(
            f"{said}, and CHAT4ALL_KAFKA__REPLICATION is {wanted.replication}: have Kafka make more copies "
            "(kafka-reassign-partitions), or say what is meant"
        )
    if needed < wanted.min_insync_replicas:
        raise StartError(
            f"{said}, and an append needs {needed} where CHAT4ALL_KAFKA__MIN_INSYNC_REPLICAS is "
            f"{wanted.min_insync_replicas}: set the topic's min.insync.replicas (kafka-configs)"
        )
    return said


async def _store(on: Distributed) -> str:
    return f"Cassandra {await on.store.version()}"


async def _redis(on: Distributed) -> str:
    return f"Redis {await on.realtime.version()}"


async def _files(settings: Settings) -> str:
    there = await asyncio.to_thread(bucket.is_there, settings.files)
    if not there:
        raise EngineUnavailableError("files", f"there is no bucket {settings.files.bucket}: run chat4all migrate")
    return f"bucket {settings.files.bucket} is there"


async def _clock(on: Distributed) -> Finding:
    """The database's clock against this machine's: leases and the times of sessions go by them."""
    try:
        before = time.time()
        theirs = await on.sql.clock()
        off = theirs - (before + time.time()) / 2
    except EngineUnavailableError as error:
        return Finding("clock", "", f"not known: {error}", "See the directory first.")
    if abs(off) > _SKEW:
        return Finding(
            "clock", "", f"the directory's differs by {off:.1f} s", "Have all machines follow one clock (NTP)."
        )
    return Finding("clock", f"differs by {abs(off) * 1000:.0f} ms")


async def _schema(on: Distributed) -> Finding:
    try:
        epoch = await schema.check(on)
    except schema.NotYetError as error:
        return Finding("schema", "", str(error), "Run chat4all migrate.")
    except (EngineUnavailableError, StartError) as error:
        return Finding("schema", "", str(error), "See the engine named first.")
    return Finding("schema", f"all there; the log's epoch is {epoch}")
