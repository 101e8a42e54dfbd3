"""chat4all demo: starts a server, tells the story, stops it."""

import asyncio
import tempfile
from pathlib import Path

import typer
from rich.console import Console

from chat4all.cli.client import AnswerError
from chat4all.cli.server import Server
from chat4all.cli.story import Story, UnseenError

NAME = "demo"


def run() -> None:
    """Tell one true story with real requests to a server started for it. Exit code 0 only if every step was seen.

    Example: chat4all demo
    """
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="chat4all-demo-") as folder:
        log = Path(folder) / "server.log"
        server = Server(Path(folder) / "data", log)
        try:
            asyncio.run(Story(server, console).tell())
        except (UnseenError, AnswerError, TimeoutError) as error:
            console.print(f"✗ {str(error) or 'not seen in time'}", style="red", markup=False)
            console.print(log.read_text(errors="replace")[-4000:] if log.exists() else "", markup=False)
            raise typer.Exit(1) from error
        finally:
            server.kill()
    console.print("Every step was seen. Yours to try: make dev", style="bold green")
