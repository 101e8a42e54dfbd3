"""chat4all simulator: fake phones and providers, in a process of its own."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from chat4all.cli.options import Json
from chat4all.cli.output import emit
from chat4all.model.errors import StartError

NAME = "simulator"

_WELCOME = """\
Simulator: {url}
Open it in a browser to see the phones. Control API: {url}/docs   Log: {log}   Stop: Ctrl+C

Or try this in another terminal, line by line:
  TOKEN=$(curl -s -X PUT {url}/control/telegram/bots/support_bot -H 'Content-Type: application/json' -d '{{}}' \
| grep -o '"token":"[^"]*' | cut -d'"' -f4)
  curl -s -X PUT {url}/control/telegram/phones/bruno -H 'Content-Type: application/json' -d '{{}}'
  curl -s {url}/control/telegram/phones/bruno/chats/support_bot/messages -H 'Content-Type: application/json' \
-d '{{"text": "/start"}}'
  curl -s "{url}/bot$TOKEN/getUpdates"
"""


def run(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on; 0: any that is free.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of its log and the bots' tokens.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict/--local", help="Take webhooks as the cloud does, or as a local Bot API server.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget its bots, phones and log first.")] = False,
    attached: Annotated[bool, typer.Option("--attached", hidden=True, help="End when standard input does.")] = False,
    as_json: Json = False,
) -> None:
    """Run fake phones and the providers they are on.

    Telegram's Bot API, with faults on demand and a log of everything; see docs/simulator.md. Its address is the first
    thing it prints. With --json: {"url", "control", "log"}.

    Example: chat4all simulator --port 8020
    """
    # Imported only here: the client commands start much quicker without the server.
    from chat4all import config  # noqa: PLC0415 - see above
    from chat4all.simulator import process  # noqa: PLC0415 - as above

    settings = config.load().simulator
    settings = settings.model_copy(
        update={
            "port": settings.port if port is None else port,
            "data": settings.data if data is None else data,
            "strict": settings.strict or strict,
        }
    )

    if attached:
        threading.Thread(target=_end_with_input, daemon=True).start()

    def welcome(url: str, log: Path) -> None:
        if as_json:
            emit({"url": url, "control": f"{url}/control", "log": str(log.absolute())})
        else:
            typer.echo(_WELCOME.format(url=url, log=log))

    try:
        process.run(settings, welcome, fresh=fresh)
    except process.StartError as error:
        raise StartError(str(error)) from error


def _end_with_input() -> None:
    """Whoever started us has ended, in whatever way: so do we."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
