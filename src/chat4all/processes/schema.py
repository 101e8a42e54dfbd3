"""What has to be there before a role can work: schemas, topics, the log's epoch, the bucket, somebody to log in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from chat4all.accounts.passwords import Passwords
from chat4all.directory.port import AlreadyThereError, LogEpoch, Role, User
from chat4all.files import bucket
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Topic
from chat4all.model.errors import StartError
from chat4all.processes.config import Settings
from chat4all.processes.distributed import Distributed
from chat4all.processes.parts import DEMO_USERS, demo_hash
from chat4all.store.cassandra import schema as cassandra_schema

_DAY: Final = 86_400.0


class NotYetError(Exception):
    """Something is missing. The message says what, and what makes it."""


async def migrate(on: Distributed, settings: Settings, admin: str, password_file: Path | None) -> AsyncIterator[str]:
    """Bring everything there, and say what was done; again, it changes nothing.

    Raises StartError for what somebody has to decide, EngineUnavailableError, and what the store's driver raises.
    """
    before, newest = await on.sql.schema()
    await on.sql.migrate()
    yield f"directory: schema {newest}" + ("" if before == newest else f", was {before or 'empty'}")
    applied = await asyncio.to_thread(cassandra_schema.migrate, settings.cassandra)
    yield f"store: {', '.join(applied) or 'up to date'}"
    await on.log.create(topics(settings))
    epoch = await _epoch(on)
    yield f"log: {CONVERSATIONS} with {epoch.partitions} partitions, epoch {epoch.epoch}"
    made = await asyncio.to_thread(bucket.make, settings.files)
    yield f"files: bucket {settings.files.bucket} {'made' if made else 'is there'}"
    async for line in _people(on, settings, admin, password_file):
        yield line


def topics(settings: Settings) -> list[Topic]:
    """Those that every installation has."""
    kept = settings.log.retention_days * _DAY
    return [
        Topic(CONVERSATIONS, settings.log.partitions, kept),
        Topic(EVENTS, settings.log.partitions, kept),
        Topic(DEAD_LETTERS, 1, 10 * kept),
    ]


async def check(on: Distributed) -> int:
    """See that everything is there, and is what it was; the log's epoch.

    Raises NotYetError for what `migrate` makes, StartError for what must not go on, EngineUnavailableError.
    """
    there, newest = await on.sql.schema()
    if there != newest:
        raise NotYetError(f"The directory's schema is {there or 'empty'}, and {newest} is wanted: run chat4all migrate")
    await on.store.heads(["-"])
    await on.ledger.plans(["-"])
    for topic in (CONVERSATIONS, EVENTS, DEAD_LETTERS):
        if not await on.log.partitions(topic):
            raise NotYetError(f"There is no topic {topic}: run chat4all migrate")
    known = await on.directory.log_epoch(CONVERSATIONS)
    if known is None:
        raise NotYetError("The log has no epoch yet: run chat4all migrate")
    await _check_topic(on, known)
    return known.epoch


async def _epoch(on: Distributed) -> LogEpoch:
    """Positions and partitioning hold only for the topic that they began with (invariant 3)."""
    known = await on.directory.log_epoch(CONVERSATIONS)
    if known is not None:
        await _check_topic(on, known)
        return known
    partitions, identity = await on.log.partitions(CONVERSATIONS), await on.log.identity(CONVERSATIONS)
    fresh = LogEpoch(topic=CONVERSATIONS, epoch=1, partitions=partitions, identity=identity)
    with contextlib.suppress(AlreadyThereError):
        await on.directory.add_log_epoch(fresh)
    return fresh


async def _check_topic(on: Distributed, known: LogEpoch) -> None:
    partitions, identity = await on.log.partitions(CONVERSATIONS), await on.log.identity(CONVERSATIONS)
    if partitions != known.partitions:
        raise StartError(
            f"{CONVERSATIONS} has {partitions} partitions and had {known.partitions}: conversations would be sequenced "
            "anew. Restore the topic as it was."
        )
    if known.identity not in {None, identity}:
        raise StartError(
            f"{CONVERSATIONS} is another topic than the one this installation began with: it was deleted and made "
            "again. Restore it; a new epoch is not begun by itself."
        )


async def _people(on: Distributed, settings: Settings, admin: str, password_file: Path | None) -> AsyncIterator[str]:
    wanted: dict[str, tuple[Role, Callable[[], Awaitable[str]]]] = {}
    if settings.accounts.demo:
        wanted = {name: (role, demo_hash) for name, role in DEMO_USERS.items()}
    if admin:
        password = _password(password_file)
        wanted[admin] = (Role.ADMIN, lambda: _hash(password))
    for name, (role, hashed) in wanted.items():
        if await on.directory.user(name) is not None:
            yield f"accounts: {name} is there"
            continue
        with contextlib.suppress(AlreadyThereError):
            await on.directory.add_user(User(username=name, role=role, password_hash=await hashed()))
        yield f"accounts: {name} made, {role}"


async def _hash(password: str) -> str:
    passwords = Passwords()
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _password(file: Path | None) -> str:
    if file is None:
        raise StartError("The first admin needs a password: --admin-password-file")
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartError(f"Cannot read the first admin's password in {file}: {error.strerror}") from error
    if len(password) < 8:
        raise StartError(f"The first admin's password in {file} has fewer than 8 characters.")
    return password
