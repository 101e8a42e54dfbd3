"""What `chat4all migrate` and `chat4all doctor` do on the engines of distributed mode."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import config, distributed, doctor, installation
from chat4all.processes.config import Settings
from chat4all.processes.doctor import Finding
from chat4all.processes.engines import Engines

T = TypeVar("T")


def migrate(admin: str, password_file: Path | None) -> Iterator[str]:
    """Migrate; a line for each thing, as it is done. Raises StartError."""
    settings = config.load()
    try:
        yield from _each(
            settings,
            lambda engines: installation.migrate(engines, settings, admin=admin, password_file=password_file),
        )
    except EngineUnavailableError as error:
        raise StartError(f"{error}. What was done stays: run it again; chat4all doctor says more.") from error


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
