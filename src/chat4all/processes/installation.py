"""What has to be there before a role can work: schemas, topics, the log's epoch, the bucket, somebody to log in."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chat4all.accounts.passwords import Passwords
from chat4all.directory.port import AlreadyThereError, LogEpoch, Role, User
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Topic
from chat4all.model.errors import EngineUnavailableError, NotMigratedError, StartError, UnusableFileError
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines

DEMO_USERS: Final = {"ana": Role.AGENT, "bruno": Role.USER, "admin": Role.ADMIN}
DEMO_PASSWORD: Final = "demo"  # noqa: S105 - public: it is in the README, and only loopback is listened on
_DAY_SECONDS: Final = 86_400.0
_USERNAME: Final = r"[!-~]{1,64}"
_CLAIM_SECONDS: Final = 40.0  # for which a migration that was killed keeps others waiting
_MIN_PASSWORD: Final = 8  # characters


class Newcomer(NamedTuple):
    """A user that `migrate` is to make. `name_file`: a file with the name, where that is not given as it is."""

    role: Role
    password_file: Path | None
    name: str = ""
    name_file: Path | None = None

    def username(self) -> str:
        """Return the name. Raises StartError for a file that cannot be read."""
        name = self.name or _text(self.name_file, f"The {self.role}'s name")
        if not re.fullmatch(_USERNAME, name):
            raise UnusableFileError(f"The {self.role}'s name in {self.name_file or 'the command'} is no user name.")
        return name


async def migrate(engines: Engines, settings: Settings, newcomers: Sequence[Newcomer] = ()) -> AsyncIterator[str]:
    """Bring everything there, and say what was done; again, it changes nothing.

    A newcomer of role service gets the password of its file also where the user exists. Raises StartError for what
    somebody has to decide, EngineUnavailableError.
    """
    # The directory is first: its lease keeps a second migration waiting, whose steps would be in the way of these.
    yield f"directory: {await engines.managed['directory'].engine.migrate()}"
    async with _claimed(engines) as check_claim:
        for name, one in engines.managed.items():
            check_claim()
            if name != "directory":
                yield f"{name}: {await one.engine.migrate()}"
        epoch = await _epoch(engines)
        yield f"log: {CONVERSATIONS} with {epoch.partitions} partitions, epoch {epoch.epoch}"
        async for line in _people(engines, settings, newcomers):
            yield line


@contextlib.asynccontextmanager
async def _claimed(engines: Engines) -> AsyncIterator[Callable[[], None]]:
    """Nobody else migrates while this lasts; a migration that was killed is in nobody's way for long. What is yielded
    raises EngineUnavailableError once that is no longer sure.

    Raises EngineUnavailableError where another one is under way.
    """
    if engines.exclusive:
        yield lambda: None
        return
    holder = uuid.uuid4().hex

    async def claim(seconds: float = _CLAIM_SECONDS) -> None:
        if not await engines.directory.lease("migrate", holder, seconds=seconds):
            raise EngineUnavailableError("directory", "another migration is under way")

    lost: list[EngineUnavailableError] = []

    async def keep() -> None:
        while not lost:
            await asyncio.sleep(_CLAIM_SECONDS / 4)
            try:
                await claim()
            except EngineUnavailableError as error:
                lost.append(error)  # it may be another's by now: nothing more is done

    await claim()
    keeping = asyncio.create_task(keep())

    def check() -> None:
        if lost:
            raise lost[0]

    try:
        yield check
    finally:
        keeping.cancel()
        with contextlib.suppress(EngineUnavailableError):
            await claim(0.0)


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


async def _people(engines: Engines, settings: Settings, newcomers: Sequence[Newcomer]) -> AsyncIterator[str]:
    if settings.accounts.demo:
        for name, role in DEMO_USERS.items():
            yield await _person(engines, name, role, demo_hash)
    for one in newcomers:
        password = _password(one)
        yield await _person(engines, one.username(), one.role, lambda password=password: _hash(password, Passwords()))  # type: ignore[misc]
        if one.role is Role.SERVICE:
            async for line in _renewed(engines, one.username(), password):
                yield line


async def _person(engines: Engines, name: str, role: Role, hashed: Callable[[], Awaitable[str]]) -> str:
    if await engines.directory.user(name) is not None:
        return f"accounts: {name} is there"
    with contextlib.suppress(AlreadyThereError):
        await engines.directory.add_user(User(username=name, role=role, password_hash=await hashed()))
    return f"accounts: {name} made, {role}"


async def _renewed(engines: Engines, name: str, password: str) -> AsyncIterator[str]:
    """A program's user has the password that its Secret says now."""
    user = await engines.directory.user(name)
    if user is None or user.role is not Role.SERVICE:
        raise StartError(f"{name} is to be a program's user, of role service, and is somebody else. Name another one.")
    passwords = Passwords()
    try:
        if await passwords.fits(password, user.password_hash):
            return
        await engines.directory.change_user(name, role=None, password_hash=await passwords.hash(password))
        yield f"accounts: {name} has a new password"
    finally:
        passwords.close()


async def _hash(password: str, passwords: Passwords) -> str:
    try:
        return await passwords.hash(password)
    finally:
        passwords.close()


def _password(newcomer: Newcomer) -> str:
    what = f"The {newcomer.role}'s password"
    password = _text(newcomer.password_file, what)
    if len(password) < _MIN_PASSWORD:
        raise UnusableFileError(f"{what} in {newcomer.password_file} has fewer than {_MIN_PASSWORD} characters.")
    return password


def _text(file: Path | None, what: str) -> str:
    if file is None:
        raise StartError(f"{what} has to be in a file: see chat4all migrate --help.")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFileError(f"{what} cannot be read in {file}: {error}") from error
