"""The process of embedded mode: settings, the data folder, the port, then the system until it is told to stop."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chat4all.connectors import supervisor as connecting
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.processes import config, embedded, runtime
from chat4all.processes import simulator as simulator_process
from chat4all.telemetry import logs

_PUBLIC: Final = 8000
_INTERNAL: Final = 8002
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
    with embedded.claimed(settings.embedded.data):
        if fresh:
            embedded.clear(settings.embedded.data)
        listening = runtime.listen(settings.server.host, settings.server.port, "CHAT4ALL_SERVER__PORT")
        beside = runtime.listen(settings.internal.host, _internal_port(settings), "CHAT4ALL_INTERNAL__PORT")
        try:
            with _phones(settings, wanted=phones, fresh=fresh) as settings.channels.simulator:
                told = Addresses(_address(listening), _address(beside), settings.channels.simulator)
                welcome(told, settings.embedded.data)
                runtime.run(_serve(settings, listening, beside))
        except EngineUnavailableError as error:
            raise StartError(f"{error} (in {settings.embedded.data}). {advice(str(error))}") from error


def advice(fault: str) -> str:
    """What to do about a file that SQLite will not open. Only where the file is at fault it is to be replaced."""
    if any(words in fault for words in _DAMAGED):
        return "Restore that file from a backup, or start clean with --fresh."
    return "Is the disk full, or can it not be written? Mend that, then start again: what is there stays."


@contextlib.contextmanager
def _phones(settings: config.Settings, *, wanted: bool, fresh: bool) -> Iterator[str]:
    """The address of a simulator: the one that is set, else one of our own, or nothing."""
    if settings.channels.simulator or not wanted or os.environ.get(connecting.TELEGRAM):
        yield settings.channels.simulator
        return
    data = settings.embedded.data / "simulator"
    port = settings.simulator.port if settings.server.port else 0
    log = settings.embedded.data / "simulator.log"
    with simulator_process.simulating(port, data, log, fresh=fresh) as url:
        yield url


def _internal_port(settings: config.Settings) -> int:
    if settings.internal.port is not None:
        return settings.internal.port
    return _INTERNAL if settings.server.port == _PUBLIC else 0


async def _serve(settings: config.Settings, listening: socket.socket, beside: socket.socket) -> None:
    system = embedded.Embedded(settings)
    async with system.running() as app, runtime.Server(runtime.plain_config(system.internal())).serving(beside):
        await runtime.serve(app, system.websockets, listening, system.loops, settings.server)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
