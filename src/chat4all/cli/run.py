"""chat4all run plays one or several roles of distributed mode in this process."""

import enum
from typing import Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit

NAME = "run"


class RoleName(enum.StrEnum):
    """Names a role that a process can play."""

    API = "api"
    GATEWAY = "gateway"
    ROUTER = "router"
    CONNECTOR = "connector"


def run(
    roles: Annotated[list[RoleName], typer.Argument(help="What this process is; several are one process.")],
    reload: Annotated[
        bool,
        typer.Option(
            "--reload", envvar="CHAT4ALL_RELOAD", help="For development: start again when the program's sources change."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a role of distributed mode: api, gateway, router or connector.

    On Kafka, Cassandra, an SQL database and Redis, where the settings say that they are (chat4all config); it waits
    until chat4all migrate has made what has to be there. /livez, /readyz, /metrics and /status are on
    CHAT4ALL_OPERATIONS__PORT. With --json: {"roles", "operations"} once it works, with that port.

    Example: chat4all run api
    """
    # Imported only here: the client commands start much quicker without the server.
    from chat4all.processes import main  # noqa: PLC0415 - it starts quicker without

    def on_ready(port: int) -> None:
        if as_json:
            emit({"roles": roles, "operations": port})
        else:
            typer.echo(f"{'+'.join(roles)}: ready, {port} for health and metrics")

    main.run(roles, on_ready, reload=reload)
