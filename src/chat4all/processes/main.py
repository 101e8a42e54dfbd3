"""`chat4all run ROLE ...`: one process of distributed mode, from the environment to its exit code."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.processes import addresses, config, distributed, embedded, services
from chat4all.processes.config import Settings
from chat4all.processes.process import Process, until_end
from chat4all.processes.reloading import Reloading, start_again
from chat4all.processes.roles import ALL
from chat4all.processes.waiting import until_usable
from chat4all.telemetry import logs

_STUCK_SECONDS: Final = 3.0
# A thread of a driver that computes gives way to the loop after so many seconds; the usual 5 ms is the greater part of
# what a round takes. https://docs.python.org/3/library/sys.html#sys.setswitchinterval
_SWITCH_SECONDS: Final = 0.0005


def run(roles: Sequence[str], on_ready: Callable[[int], None], *, reload: bool = False) -> None:
    """Run until SIGINT or SIGTERM; a second one ends it at once. `on_ready` is told the port of health and metrics.
    `reload`: start again when the program's own sources change.

    Raises StartError.
    """
    os.umask(0o077)
    sys.setswitchinterval(_SWITCH_SECONDS)
    settings = config.load()
    logs.configure(settings.server.log_level)
    if settings.accounts.demo and {"api", "gateway"} & {*roles}:
        variable = "CHAT4ALL_ACCOUNTS__DEMO is set and CHAT4ALL_SERVER__HOST"
        embedded.check_loopback(settings.server.host, variable)
    watch = Reloading() if reload else None
    until_end(_ending(_distributed([name for name in ALL if name in roles], settings, on_ready)))
    if watch is not None and watch.has_changed:
        start_again()


async def _distributed(roles: Sequence[str], settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Engines are made in the loop that they are used in."""
    bound = addresses.bind(settings, roles, operations=True)
    with contextlib.ExitStack() as sockets:
        for one in bound.values():
            sockets.callback(one.close)
        if not await until_usable(lambda: _check_files(settings, roles), bound[addresses.OPERATIONS]):
            return
        engines = distributed.engines(settings, "+".join(roles))
        sockets.pop_all()  # from now on they are the process's to close
    process = Process(engines, settings, roles, bound)
    await process.run(lambda: on_ready(bound[addresses.OPERATIONS].getsockname()[1]))


def _check_files(settings: Settings, roles: Sequence[str]) -> None:
    """Read every file that the settings of these roles name. Raises UnusableFileError, StartError."""
    for engine in (settings.kafka, settings.cassandra, settings.directory, settings.redis, settings.files):
        engine.check_files()
    if {"api", "gateway"} & {*roles}:
        services.keyring(settings)
    if "api" in roles and settings.internal.token_file is not None:
        SharedTokens.check_file(settings.internal.token_file)


async def _ending(process: Coroutine[Any, Any, None]) -> None:
    """All of ours is closed after it. Then the loop and the interpreter wait for threads, of which one may wait for a
    database that hangs: not for long."""
    code = 1
    try:
        await process
        code = 0
    finally:
        late = threading.Timer(_STUCK_SECONDS, os._exit, [code])
        late.daemon = True
        late.start()
