"""The process of embedded mode: settings, the data folder, the port, then the system until it is told to stop."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from chat4all import config, connecting, runtime, wiring
from chat4all.cli import simulated
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.telemetry import logs


def run(
    port: int | None, data: Path | None, *, fresh: bool, phones: bool, welcome: Callable[[str, Path, str], None]
) -> None:
    """Run until SIGINT or SIGTERM; `welcome` is told address, folder and the phones' address when the port is ours.

    `phones`: with a simulator, unless a real bot's token is there. Raises StartError.
    """
    os.umask(0o077)  # what is kept is for this user alone, whatever folder it is kept in
    settings = config.load()
    if port is not None:
        settings.server.port = port
    if data is not None:
        settings.embedded.data = data
    logs.configure(settings.server.log_level)
    wiring.check_loopback(settings.server.host)
    with wiring.claimed(settings.embedded.data):
        if fresh:
            wiring.clear(settings.embedded.data)
        listening = runtime.listen(settings.server)
        try:
            with _phones(settings, wanted=phones, fresh=fresh) as settings.channels.simulator:
                welcome(_address(listening), settings.embedded.data, settings.channels.simulator)
                runtime.run(_serve(settings, listening))
        except EngineUnavailableError as error:
            raise StartError(
                f"{error} (in {settings.embedded.data}). Restore that file from a backup, or start clean with --fresh."
            ) from error


@contextlib.contextmanager
def _phones(settings: config.Settings, *, wanted: bool, fresh: bool) -> Iterator[str]:
    """The address of a simulator: the one that is set, else one of our own, or nothing."""
    if settings.channels.simulator or not wanted or os.environ.get(connecting.TOKEN):
        yield settings.channels.simulator
        return
    data = settings.embedded.data / "simulator"
    if fresh:
        simulated.clear(data)
    port = settings.simulator.port if settings.server.port else 0
    with simulated.simulating(port, data, settings.embedded.data / "simulator.log") as url:
        yield url


async def _serve(settings: config.Settings, listening: socket.socket) -> None:
    system = wiring.Embedded(settings)
    async with system.running() as app:
        await runtime.serve(app, system.websockets, listening, system.loops, settings.server)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"
