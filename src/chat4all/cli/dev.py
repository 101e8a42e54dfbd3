"""chat4all dev runs the whole system in this process."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit
from chat4all.client import DEFAULT_URL

if TYPE_CHECKING:
    from chat4all.processes.dev import Addresses

NAME = "dev"

_WELCOME = """\
Chat4All: {url}
Open it in a browser and log in as ana or bruno, or as admin; password: demo. Docs: {url}/docs   Stop: Ctrl+C

Or try this in another terminal, line by line:
  TOKEN=$(curl -s {url}/token -d username=ana -d password=demo | cut -d'"' -f4)
  CHAT=$(curl -s {url}/v1/conversations -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"members": ["bruno"]}}' | cut -d'"' -f4)
  curl -s {url}/v1/messages -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"chat_id": "'$CHAT'", "content": "Olá, Bruno!"}}'
Watch it arrive: {command} tail --as bruno{option}      Data: {data}
"""


_PHONES = """\
Bruno's phone: {phones}   Bruno is on Telegram too: what ana writes appears there, and ana sees the answers.
"""


def run(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all that it keeps.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete that folder's data first.")] = False,
    phones: Annotated[
        bool, typer.Option("--simulator/--no-simulator", help="Fake phones, and a Telegram connector to them.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Run the whole system here.

    API, WebSocket, web console and router, on SQLite files; and the simulator of Telegram with its phones, to which
    bruno is linked. With TELEGRAM_TOKEN set, a connector talks to Telegram itself, and there is no simulator. Its
    address is the first thing it prints. With --json: {"url", "docs", "internal", "phones", "data", "users"}.

    Example: chat4all dev --fresh
    """
    # Imported only here: the client commands start much quicker without the server.
    from chat4all.processes import dev  # noqa: PLC0415 - it starts quicker without

    dev.run(port, data, fresh=fresh, phones=phones, welcome=_emit_welcome if as_json else _print_welcome)


def _print_welcome(where: "Addresses", data: Path) -> None:
    url = where.public
    option = "" if url == DEFAULT_URL else f" --url {url}"
    typer.echo(_WELCOME.format(url=url, option=option, data=data, command=_command()))
    if where.phones:
        typer.echo(_PHONES.format(phones=where.phones))


def _emit_welcome(where: "Addresses", data: Path) -> None:
    from chat4all.processes.installation import DEMO_PASSWORD, DEMO_USERS  # noqa: PLC0415 - it starts quicker without

    users = [{"username": name, "password": DEMO_PASSWORD} for name in DEMO_USERS]
    addresses = {"url": where.public, "docs": f"{where.public}/docs", "internal": where.internal}
    emit({**addresses, "phones": where.phones or None, "data": str(data.absolute()), "users": users})


def _command() -> str:
    """Return how this command was called, because it may not be on the path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "chat4all" else "chat4all"
