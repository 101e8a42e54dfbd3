"""A role's process, as apps/ starts it: settings from the environment, what is wrong in one sentence."""

import os
import sys

from chat4all import config, runtime
from chat4all.model.errors import StartError
from chat4all.telemetry import logs
from chat4all.wiring import roles


def main(name: str) -> None:
    """Run until SIGINT or SIGTERM; a second one ends it at once."""
    os.umask(0o077)
    try:
        settings = config.load()
        logs.configure(settings.server.log_level)
        runtime.run(roles.run(name, settings))
    except (StartError, RuntimeError) as error:
        sys.exit(f"{name}: {error}")
