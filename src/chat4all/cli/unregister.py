"""chat4all unregister has the provider forget a connector of distributed mode that has no process."""

import signal
import sys
from typing import Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit, plain

NAME = "unregister"


def run(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long it is tried.")] = 50.0,
    as_json: Json = False,
) -> None:
    """Have the provider forget a connector of distributed mode that no process runs any more.

    CHAT4ALL_CHANNELS__UID names the connector, which has to be registered with `unregister: true`, and
    CHAT4ALL_CHANNELS__CREDENTIALS_DIR has its credentials. It ends when that is done and reported. What does not pass
    by itself, such as credentials that are missing, ends it at once with exit code 1. With --json: {"unregistered"},
    the connector's id.

    Example: chat4all unregister --seconds 30
    """
    # Imported only here: the client commands start much quicker without the engines.
    from chat4all.processes import unregistering  # noqa: PLC0415 - it starts quicker without

    # As the first process of a container it would not be ended by a signal that it does not take.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    connector = unregistering.unregister(seconds)
    if as_json:
        emit({"unregistered": connector})
    else:
        typer.echo(plain(f"{connector}: its provider has forgotten it"))
