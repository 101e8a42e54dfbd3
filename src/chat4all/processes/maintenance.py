"""What `chat4all migrate` and `chat4all doctor` do on the engines of distributed mode."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final, TypeVar

from chat4all.backoff import Backoff
from chat4all.model.errors import EngineUnavailableError, StartError, UnusableFileError
from chat4all.processes import config, distributed, doctor, installation
from chat4all.processes.config import Settings
from chat4all.processes.doctor import Finding
from chat4all.processes.engines import Engines
from chat4all.processes.installation import Newcomer

T = TypeVar("T")

_FIRST_RETRY_SECONDS: Final = 1.0
_MAX_RETRY_SECONDS: Final = 15.0


def migrate(newcomers: Sequence[Newcomer], *, patient: bool) -> Iterator[str]:
    """Migrate; a line for each thing, as it is done. Raises StartError.

    `patient`: wait for engines and files that are not there, for ever, instead of giving up.
    """
    settings, backoff = config.load(), Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
    while True:
        try:
            yield from _each(settings, lambda engines: installation.migrate(engines, settings, newcomers))
        except (EngineUnavailableError, UnusableFileError) as error:
            if not patient:
                raise StartError(f"{error}. What was done stays: run it again; chat4all doctor says more.") from error
            yield f"waiting: {error}"
        else:
            return
        time.sleep(backoff.failed())  # between tries: nothing else goes on in this process


def examine() -> Iterator[Finding]:
    """Examine every engine; what was found, as it is found. Raises StartError."""
    yield from _each(config.load(), doctor.examine)


def _each(settings: Settings, work: Callable[[Engines], AsyncIterator[T]]) -> Iterator[T]:
    """Drive work on the engines from a command, which is no coroutine."""
    with asyncio.Runner() as runner:
        engines = runner.run(_made(settings))
        steps = work(engines)
        try:
            while True:
                yield runner.run(anext(steps))  # type: ignore[arg-type] # an awaitable that runs as a coroutine does
        except StopAsyncIteration:
            return
        finally:
            runner.run(engines.close())


async def _made(settings: Settings) -> Engines:
    """In the loop that they are used in."""
    return distributed.engines(settings, "migrate")
