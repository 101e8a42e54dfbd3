"""What `chat4all migrate` and `chat4all doctor` do on the engines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import config, doctor, schema
from chat4all.processes.config import Settings
from chat4all.processes.distributed import Distributed
from chat4all.processes.doctor import Finding
from chat4all.store.cassandra.session import AWAY

T = TypeVar("T")


def run(admin: str, password_file: Path | None) -> Iterator[str]:
    """Migrate; a line for each thing, as it is done. Raises StartError."""
    try:
        yield from _each(lambda on, settings: schema.migrate(on, settings, admin, password_file))
    except (EngineUnavailableError, *AWAY) as error:
        raise StartError(f"{error}. What was done stays: run it again; chat4all doctor says more.") from error


def examine() -> Iterator[Finding]:
    """Examine every engine; what was found, as it is found. Raises StartError."""
    yield from _each(doctor.examine)


def _each(work: Callable[[Distributed, Settings], AsyncIterator[T]]) -> Iterator[T]:
    """Drive work on the engines from a command, which is no coroutine."""
    settings = config.load()
    with asyncio.Runner() as runner:
        on = runner.run(_made(settings))
        steps = work(on, settings)
        try:
            while True:
                yield runner.run(anext(steps))  # type: ignore[arg-type] # an awaitable that runs as a coroutine does
        except StopAsyncIteration:
            return
        finally:
            runner.run(on.close())


async def _made(settings: Settings) -> Distributed:
    """In the loop that it is used in."""
    return Distributed(settings, "migrate")
