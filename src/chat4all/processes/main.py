"""A role's process, as apps/ starts it: settings from the environment, what is wrong in one sentence."""

import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Final

from chat4all.model.errors import StartError
from chat4all.processes import config, roles, runtime
from chat4all.telemetry import logs

_STUCK: Final = 3.0  # seconds
# A thread of a driver that computes gives way to the loop after so many seconds; the usual 5 ms is the greater part of
# what a round takes. https://docs.python.org/3/library/sys.html#sys.setswitchinterval
_GIVES_WAY: Final = 0.0005


def main(name: str) -> None:
    """Run until SIGINT or SIGTERM; a second one ends it at once."""
    os.umask(0o077)
    sys.setswitchinterval(_GIVES_WAY)
    code = 0
    try:
        settings = config.load()
        logs.configure(settings.server.log_level)
        runtime.run(_ending(roles.run(name, settings)))
    except (StartError, RuntimeError) as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        code = 1
    sys.exit(code)


async def _ending(role: Coroutine[Any, Any, None]) -> None:
    """All of ours is closed after it. Then the loop and the interpreter wait for threads, of which one may wait for a
    database that hangs: not for long."""
    code = 1
    try:
        await role
        code = 0
    finally:
        late = threading.Timer(_STUCK, os._exit, [code])
        late.daemon = True
        late.start()
