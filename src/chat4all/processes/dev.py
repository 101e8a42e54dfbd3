"""The process of embedded mode: settings, the data folder, the port, then the system until it is told to stop."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chat4all.connectors import supervisor
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import addresses, config, data_folder, embedded, roles, simulator
from chat4all.processes.addresses import Bound
from chat4all.processes.config import Settings
from chat4all.processes.process import Process, until_end
from chat4all.telemetry import logs

_PUBLIC_PORT: Final = 8000
_INTERRUPTED: Final = 130  # as a shell says it for Ctrl+C
_DAMAGED: Final = ("not a database", "malformed")  # as SQLite says it


class Addresses(NamedTuple):
    """Where everything is; `phones`: empty where there is no simulator."""

    public: str
    internal: str
    phones: str


def run(
    port: int | None, data: Path | None, *, fresh: bool, phones: bool, welcome: Callable[[Addresses, Path], None]
) -> None:
    """Run until SIGINT or SIGTERM; `welcome` is told addresses and folder when the ports are ours.

    `phones`: with a simulator, unless a real bot's token is there. Raises StartError.
    """
    os.umask(0o077)  # what is kept is for this user alone, whatever folder it is kept in
    settings = config.load()
    if port is not None:
        settings.server.port = port
    if data is not None:
        settings.embedded.data = data
    logs.configure(settings.server.log_level)
    for section, host in (("SERVER", settings.server.host), ("INTERNAL", settings.internal.host)):
        embedded.check_loopback(host, f"CHAT4ALL_{section}__HOST")
    if settings.internal.port is None:
        settings.internal.port = addresses.INTERNAL_PORT if settings.server.port == _PUBLIC_PORT else 0
    with data_folder.claimed(settings.embedded.data):
        if fresh:
            data_folder.clear(settings.embedded.data)
        bound = addresses.bind(settings, roles.ALL, operations=False)
        try:
            with _phones(settings, wanted=phones, fresh=fresh) as settings.channels.simulator:
                public, internal = bound[addresses.PUBLIC], bound[addresses.INTERNAL]
                where = Addresses(addresses.url(public), addresses.url(internal), settings.channels.simulator)
                welcome(where, settings.embedded.data)
                number = until_end(_embedded(embedded.settings_of(settings), bound))
        except EngineUnavailableError as error:
            raise StartError(f"{error} (in {settings.embedded.data}). {advice(str(error))}") from error
    if number == signal.SIGINT:
        sys.exit(_INTERRUPTED)


def advice(fault: str) -> str:
    """What to do about a file that SQLite will not open. Only where the file is at fault it is to be replaced."""
    if any(words in fault for words in _DAMAGED):
        return "Restore that file from a backup, or start clean with --fresh."
    return "Is the disk full, or can it not be written? Fix that, then start again: what is there stays."


@contextlib.contextmanager
def _phones(settings: Settings, *, wanted: bool, fresh: bool) -> Iterator[str]:
    """The address of a simulator: the one that is set, else one of our own, or nothing."""
    if settings.channels.simulator or not wanted or os.environ.get(supervisor.TELEGRAM):
        yield settings.channels.simulator
        return
    data = settings.embedded.data / "simulator"
    port = settings.simulator.port if settings.server.port else 0
    log = settings.embedded.data / "simulator.log"
    with simulator.simulating(port, data, log, fresh=fresh) as url:
        yield url


async def _embedded(settings: Settings, bound: Bound) -> int:
    """Engines are made in the loop that they are used in."""
    return await Process(embedded.engines(settings), settings, roles.ALL, bound).run(lambda: None)
