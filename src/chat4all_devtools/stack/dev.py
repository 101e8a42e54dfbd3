"""`python -m chat4all_devtools.stack.dev`: the roles on the stack, supervised, until Ctrl+C. `make dev-stack`."""

import argparse
import sys
from pathlib import Path

from chat4all.client import AnswerError
from chat4all.model.errors import StartError
from chat4all.processes.simulator import simulating
from chat4all_devtools import termination
from chat4all_devtools.stack.__main__ import DEFAULT, quiet, up
from chat4all_devtools.stack.engine import StackError
from chat4all_devtools.stack.roles import Roles
from chat4all_devtools.stack.stack import Stack


def main(arguments: list[str]) -> int:
    """Run until SIGINT or SIGTERM; 1 where it cannot be started."""
    parser = argparse.ArgumentParser(prog="python -m chat4all_devtools.stack.dev", description=__doc__)
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where the stack lives (default: .stack)")
    parser.add_argument("--port", type=int, default=8000, help="the public port (default: 8000)")
    given = parser.parse_args(arguments)
    quiet()
    stack = Stack(given.folder.resolve())
    try:
        with termination.orderly(0):
            up(stack, free=False)
            roles = Roles(stack, given.folder.resolve() / "roles", port=given.port)
            with simulating(8020, stack.folder / "simulator", stack.folder / "simulator.log") as phones:
                roles.set(CHAT4ALL_CHANNELS__SIMULATOR=phones)
                _run(roles, phones)
    except (StackError, StartError, AnswerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _run(roles: Roles, phones: str) -> None:
    try:
        roles.migrate()
        roles.start()
        print(f"Chat4All: http://localhost:{roles.port}   Bruno's phone: {phones}")
        print("Users: ana, bruno and admin; password: demo. Stop: Ctrl+C; the engines stay (make stack-down).")
        for role in roles.roles:
            print(f"  {role.name:11} health and metrics: http://127.0.0.1:{role.health}   log: {roles.log(role.name)}")
        sys.stdout.flush()
        roles.supervise()
    finally:
        roles.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
