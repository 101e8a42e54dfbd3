"""chat4all migrate makes, or brings up to date, what distributed mode needs."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit, plain

NAME = "migrate"


def run(
    admin: Annotated[str, typer.Option(help="Make this user as the first admin, if it is not there.")] = "",
    admin_password_file: Annotated[Path | None, typer.Option(help="File with that user's password.")] = None,
    service_user: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder with the files username and password of a program's user, which is made."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for engines and files, however long it takes.")] = False,
    as_json: Json = False,
) -> None:
    """Make the schemas, the topics, the log's epoch, the bucket and the first admin on the engines.

    Safe to repeat: what is there stays, and a program's user gets the password that its file has now. It refuses a log
    whose partitions have changed, or that was made again. The settings (CHAT4ALL_KAFKA__SERVERS and so on, see chat4all
    config) say where the engines are.

    Example: chat4all migrate --admin admin --admin-password-file /run/secrets/admin
    """
    # Imported only here: the client commands start much quicker without the engines.
    from chat4all.directory.port import Role  # noqa: PLC0415 - it starts quicker without
    from chat4all.processes import maintenance  # noqa: PLC0415 - it starts quicker without
    from chat4all.processes.installation import Newcomer  # noqa: PLC0415 - it starts quicker without

    newcomers = [Newcomer(Role.ADMIN, admin_password_file, name=admin)] if admin else []
    if service_user is not None:
        newcomers.append(Newcomer(Role.SERVICE, service_user / "password", name_file=service_user / "username"))
    # As the first process of a container it would not be ended by a signal that it does not take.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lines = []
    for line in maintenance.migrate(newcomers, patient=wait):
        lines.append(line)
        if not as_json:
            typer.echo(plain(line))
    if as_json:
        emit({"done": lines})
