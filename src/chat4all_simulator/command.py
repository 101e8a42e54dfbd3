"""The simulator's command: `chat4all simulator`, and the same without Chat4All, `python -m chat4all_simulator`."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

_WELCOME_TEXT = """\
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
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON, and nothing else.")] = False,
) -> None:
    """Run fake phones and the providers they are on.

    Telegram's Bot API, with faults on demand and a log of everything; see docs/simulator.md. Its address is the first
    thing it prints. With --json: {"url", "control", "log"}.

    Example: chat4all simulator --port 8020
    """
    # Imported only here, because every other command starts much quicker without the server.
    from chat4all_simulator import process, settings  # noqa: PLC0415 - it starts quicker without

    if attached:
        threading.Thread(target=_end_with_input, daemon=True).start()

    def welcome(url: str, log: Path) -> None:
        if as_json:
            typer.echo(json.dumps({"url": url, "control": f"{url}/control", "log": str(log.absolute())}))
        else:
            typer.echo(_WELCOME_TEXT.format(url=url, log=log))

    options = {"port": port, "data": data, "strict": strict or None}
    try:
        chosen = settings.load().model_copy(update={name: one for name, one in options.items() if one is not None})
        process.run(chosen, welcome, fresh=fresh)
    except (process.StartError, settings.SettingsError) as error:
        report = {"error": str(error), "status": None}
        typer.echo(json.dumps(report) if as_json else f"chat4all simulator: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command without chat4all's other commands, which need not be there."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(run)
    app(prog_name="chat4all_simulator")


def _end_with_input() -> None:
    """End this process when whoever started it has ended, in whatever way."""
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
