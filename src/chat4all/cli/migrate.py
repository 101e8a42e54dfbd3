"""chat4all migrate makes, or brings up to date, what distributed mode needs."""

from pathlib import Path
from typing import Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit, plain

NAME = "migrate"


def run(
    admin: Annotated[str, typer.Option(help="Make this user as the first admin, if it is not there.")] = "",
    admin_password_file: Annotated[Path | None, typer.Option(help="File with that user's password.")] = None,
    as_json: Json = False,
) -> None:
    """Make the schemas, the topics, the log's epoch, the bucket and the first admin on the engines.

    Safe to repeat: what is there stays. It refuses a log whose partitions have changed, or that was made again. The
    settings (CHAT4ALL_KAFKA__SERVERS and so on, see chat4all config) say where the engines are.

    Example: chat4all migrate --admin admin --admin-password-file /run/secrets/admin
    """
    # Imported only here: the client commands start much quicker without the engines.
    from chat4all.processes import maintenance  # noqa: PLC0415 - it starts quicker without

    lines = []
    for line in maintenance.migrate(admin, admin_password_file):
        lines.append(line)
        if not as_json:
            typer.echo(plain(line))
    if as_json:
        emit({"done": lines})
