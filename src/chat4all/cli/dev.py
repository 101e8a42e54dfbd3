"""chat4all dev: the whole system in this process."""

import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

NAME = "dev"

_WELCOME = """\
Chat4All on {url}   (stop: Ctrl+C)   docs: {url}/docs   users: admin, ana, bruno; password: demo
Try this in another terminal, line by line:
  TOKEN=$(curl -s {url}/token -d username=ana -d password=demo | cut -d'"' -f4)
  CHAT=$(curl -s {url}/v1/conversations -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"members": ["bruno"]}}' | cut -d'"' -f4)
  curl -s {url}/v1/messages -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"chat_id": "'$CHAT'", "content": "Olá, Bruno!"}}'
Watch it arrive: {command} tail --as bruno{option}      Data: {data}
"""


def run(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all that it keeps.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete that folder's data first.")] = False,
) -> None:
    """Run the whole system here: API, WebSocket, router, on SQLite files. Example: chat4all dev --fresh"""
    # Imported only here: the client commands start much quicker without the server.
    from chat4all.cli import embedded  # noqa: PLC0415 - see above

    embedded.run(port, data, fresh=fresh, welcome=_welcome)


def _command() -> str:
    """How this command was called: it may not be on the path."""
    return sys.argv[0] if Path(sys.argv[0]).name == "chat4all" else "chat4all"


def _welcome(listening: socket.socket, data: Path) -> None:
    port = listening.getsockname()[1]
    url = f"http://localhost:{port}"
    option = "" if port == 8000 else f" --url {url}"
    typer.echo(_WELCOME.format(url=url, option=option, data=data, command=_command()))
