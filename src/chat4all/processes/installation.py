"""What has to be there before a role can work: schemas, topics, the log's epoch, the bucket, somebody to log in."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from chat4all.accounts.passwords import Passwords
from chat4all.directory.port import AlreadyThereError, LogEpoch, Role, User
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Topic
from chat4all.model.errors import NotMigratedError, StartError
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines

DEMO_USERS: Final = {"ana": Role.AGENT, "bruno": Role.USER, "admin": Role.ADMIN}
DEMO_PASSWORD: Final = "demo"  # noqa: S105 - public: it is in the README, and only loopback is listened on
_DAY_SECONDS: Final = 86_400.0
_MIN_PASSWORD: Final = 8  # characters


async def migrate(
    engines: Engines, settings: Settings, *, admin: str = "", password_file: Path | None = None
) -> AsyncIterator[str]:
    """Bring everything there, and say what was done; again, it changes nothing. `admin`: the first one, if any.

    Raises StartError for what somebody has to decide, EngineUnavailableError.
    """
    for name, one in engines.managed.items():
        yield f"{name}: {await one.engine.migrate()}"
    epoch = await _epoch(engines)
    yield f"log: {CONVERSATIONS} with {epoch.partitions} partitions, epoch {epoch.epoch}"
    async for line in _people(engines, settings, admin, password_file):
        yield line


def topics(settings: Settings) -> list[Topic]:
    """The topics that every installation has."""
    retention = settings.log.retention_days * _DAY_SECONDS
    return [
        Topic(CONVERSATIONS, settings.log.partitions, retention),
        Topic(EVENTS, settings.log.partitions, retention),
        Topic(DEAD_LETTERS, 1, 10 * retention),
    ]


async def check(engines: Engines) -> int:
    """See that everything is there, and is what it was; the log's epoch.

    Raises NotMigratedError for what `migrate` makes, StartError for what must not go on, EngineUnavailableError.
    """
    for one in engines.managed.values():
        await one.engine.check()
    known = await engines.directory.log_epoch(CONVERSATIONS)
    if known is None:
        raise NotMigratedError("The log has no epoch yet")
    await _check_topic(engines, known)
    return known.epoch


async def demo_hash() -> str:
    """The hash of the demo's password. Everybody knows it, so that nothing is won by a hash that takes its time."""
    return await _hash(DEMO_PASSWORD, Passwords.cheap())


async def _epoch(engines: Engines) -> LogEpoch:
    """Positions and partitioning hold only for the topic that they began with (invariant 3)."""
    known = await engines.directory.log_epoch(CONVERSATIONS)
    if known is not None:
        await _check_topic(engines, known)
        return known
    partitions, identity = await engines.log.partitions(CONVERSATIONS), await engines.log.identity(CONVERSATIONS)
    fresh = LogEpoch(topic=CONVERSATIONS, epoch=1, partitions=partitions, identity=identity)
    with contextlib.suppress(AlreadyThereError):
        await engines.directory.add_log_epoch(fresh)
    return fresh


async def _check_topic(engines: Engines, known: LogEpoch) -> None:
    partitions, identity = await engines.log.partitions(CONVERSATIONS), await engines.log.identity(CONVERSATIONS)
    if partitions != known.partitions:
        raise StartError(
            f"{CONVERSATIONS} has {partitions} partitions and had {known.partitions}: conversations would be sequenced "
            f"anew. Restore {engines.place}."
        )
    if known.identity not in {None, identity}:
        raise StartError(
            f"{CONVERSATIONS} is another topic than the one this installation began with: it was deleted and made "
            f"again. Restore {engines.place}; a new epoch is not begun by itself."
        )


async def _people(engines: Engines, settings: Settings, admin: str, password_file: Path | None) -> AsyncIterator[str]:
    wanted: dict[str, tuple[Role, Callable[[], Awaitable[str]]]] = {}
    if settings.accounts.demo:
        wanted = {name: (role, demo_hash) for name, role in DEMO_USERS.items()}
    if admin:
        password = _password(password_file)
        wanted[admin] = (Role.ADMIN, lambda: _hash(password, Passwords()))
    for name, (role, hashed) in wanted.items():
        if await engines.directory.user(name) is not None:
            yield f"accounts: {name} is there"
            continue
        with contextlib.suppress(AlreadyThereError):
            await engines.directory.add_user(User(username=name, role=role, password_hash=await hashed()))
        yield f"accounts: {name} made, {role}"


async def _hash(password: str, passwords: Passwords) -> str:
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
    if len(password) < _MIN_PASSWORD:
        raise StartError(f"The first admin's password in {file} has fewer than {_MIN_PASSWORD} characters.")
    return password
