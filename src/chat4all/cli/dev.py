"""chat4all dev: the whole system in this process."""

import socket
from pathlib import Path
from typing import Annotated

import typer

from chat4all import config, runtime, wiring
from chat4all.telemetry import logs

NAME = "dev"

_WELCOME = """\
Chat4All on {url}   (stop: Ctrl+C)   docs: {url}/docs   users: admin, ana, bruno; password: demo
Try this in another terminal, line by line:
  TOKEN=$(curl -s {url}/token -d username=ana -d password=demo | cut -d'"' -f4)
  CHAT=$(curl -s {url}/v1/conversations -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"members": ["bruno"]}}' | cut -d'"' -f4)
  curl -s {url}/v1/messages -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
-d '{{"chat_id": "'$CHAT'", "content": "Olá, Bruno!"}}'
Watch it arrive: chat4all tail --as bruno{option}      Data: {data}
"""


def run(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any that is free.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all that it keeps.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete that folder's data first.")] = False,
) -> None:
    """Run the whole system here: API, WebSocket, router, on SQLite files. Example: chat4all dev --fresh"""
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
        _welcome(listening, settings.embedded.data)
        runtime.run(_serve(settings, listening))


async def _serve(settings: config.Settings, listening: socket.socket) -> None:
    system = wiring.Embedded(settings)
    async with system.running() as app:
        await runtime.serve(app, listening, system.loops, settings.server)


def _welcome(listening: socket.socket, data: Path) -> None:
    port = listening.getsockname()[1]
    url = f"http://localhost:{port}"
    option = "" if port == 8000 else f" --url {url}"
    typer.echo(_WELCOME.format(url=url, option=option, data=data))
