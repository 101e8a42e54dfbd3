"""The stories of `chat4all demo`: a server is started, both are told, and it is stopped."""

import tempfile
from pathlib import Path

import typer
from rich.console import Console

from chat4all.cli.output import emit, lines
from chat4all.cli.trace import table
from chat4all.client import AnswerError
from chat4all.processes.simulator import simulating
from chat4all_devtools import termination
from chat4all_devtools.server import Server
from chat4all_devtools.story import Story, Teller, Timeline, UnseenError
from chat4all_devtools.telegram_story import TelegramStory


def tell(*, as_json: bool) -> None:
    """Tell both stories. Raises typer.Exit, AnswerError where a step was not seen."""
    console = lines()
    with termination.orderly() as run_to_end, tempfile.TemporaryDirectory(prefix="chat4all-demo-") as folder:
        log = Path(folder) / "server.log"
        server = Server(Path(folder) / "data", log)
        try:
            teller = _emitted if as_json else printed(console)
            run_to_end(Story(server, teller).tell())
            with simulating(0, Path(folder) / "simulator", Path(folder) / "simulator.log") as url:
                run_to_end(TelegramStory(server, url, teller).tell())
        except (UnseenError, AnswerError, TimeoutError) as error:
            _unseen(console, str(error) or "not seen in time", log, as_json=as_json)
            raise typer.Exit(1) from error
        finally:
            server.kill()
    if as_json:
        emit({"seen": True})
    else:
        console.print("Every step was seen. Yours to try: make dev", style="bold green")


def printed(console: Console) -> Teller:
    """A teller that prints each step on a terminal."""

    def tell(step: str, timeline: Timeline | None = None) -> None:
        if timeline is not None:
            console.print(table(timeline.message, timeline.events))
        console.print(f"✓ {step}", markup=False)

    return tell


def _emitted(step: str, timeline: Timeline | None = None) -> None:
    emit({"step": step} | ({"message_id": timeline.message, "timeline": timeline.events} if timeline else {}))


def _unseen(console: Console, fault: str, log: Path, *, as_json: bool) -> None:
    said = log.read_text(errors="replace")[-4000:] if log.exists() else ""
    if as_json:
        emit({"seen": False, "server_log": said})
        raise AnswerError(fault)
    console.print(f"✗ {fault}", style="red", markup=False)
    console.print(said, markup=False)
