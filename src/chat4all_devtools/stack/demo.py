"""`python -m chat4all_devtools.stack.demo`: the demo's stories, on real engines of their own. `make demo-stack`."""

import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from chat4all.client import AnswerError
from chat4all.model.errors import StartError
from chat4all.processes.simulator import simulating
from chat4all_devtools import termination
from chat4all_devtools.stack.__main__ import quiet, up
from chat4all_devtools.stack.engine import StackError
from chat4all_devtools.stack.roles import Roles
from chat4all_devtools.stack.stack import Stack
from chat4all_devtools.stories import printed
from chat4all_devtools.story import Story, UnseenError
from chat4all_devtools.telegram_story import TelegramStory


def main() -> int:
    """Tell them; 0 if every step was seen. Nothing stays, also where it is told to end."""
    with termination.orderly() as run:
        return tell(run)


def tell(run: termination.Run) -> int:
    """Tell them on a stack of their own; 0 if every step was seen."""
    quiet()
    console = Console(highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="chat4all-demo-stack-"))
    folder.chmod(0o755)  # PostgreSQL is run by a user of its own
    stack = Stack(folder)
    roles: Roles | None = None
    try:
        up(stack, free=True)
        roles = Roles(stack, folder / "roles")
        roles.migrate()
        run(Story(roles, printed(console)).tell())
        with simulating(0, folder / "simulator", folder / "simulator.log") as url:
            run(TelegramStory(roles, url, printed(console)).tell())
    except (StackError, StartError, UnseenError, AnswerError, TimeoutError) as error:
        console.print(f"✗ {str(error) or 'not seen in time'}", style="red", markup=False)
        for log in sorted((folder / "roles").glob("*.log")):
            console.print(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}", markup=False)
        return 1
    finally:
        if roles is not None:
            roles.stop()
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)
    console.print("Every step was seen. Yours to try: make dev-stack", style="bold green")
    return 0


if __name__ == "__main__":
    sys.exit(main())
