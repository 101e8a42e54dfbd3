"""Real engines in the background, each in a folder of its own.

`python -m chat4all_devtools.stack up|down|status [ENGINE ...]`. Nothing is installed system-wide: jars come from Maven
Central and MinIO from its Go module, once, into the cache that all clones share (chat4all_devtools/cache.py);
PostgreSQL and Redis are the system's packages, and what is missing is said with the command that gets it.
"""

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Final

from chat4all_devtools.stack.engine import LOOPBACK, StackError
from chat4all_devtools.stack.stack import ENGINES, Stack

DEFAULT: Final = Path(".stack")


def up(stack: Stack, *, free: bool) -> None:
    """Start what does not run, all at once, and wait until all are well."""
    began = time.monotonic()
    for engine in stack.engines:
        if engine.pid is None:
            print(f"{engine.title}: installing if need be, starting ...", flush=True)
    for name, version in stack.up(free_ports=free).items():
        print(f"{name:11} {version:10} {stack[name].address}")
    print(f"All are well after {time.monotonic() - began:.0f} s. Data and logs: {stack.folder}")


def status(stack: Stack) -> int:
    """One line for each; 1 if any is not well."""
    wrong = 0
    for engine in stack.engines:
        state, where = "not running", ""
        if engine.pid is not None:
            where = f"{engine.address}  process {engine.pid}  log {engine.folder / 'log'}"
            try:
                state = f"well, {engine.version()}"
            except Exception as error:  # noqa: BLE001 - each client has exceptions of its own
                state = f"does not answer: {error}"
        wrong += not state.startswith("well")
        print(f"{engine.name:11} {state:14} {where}")
    return 1 if wrong else 0


def quiet() -> None:
    """Clients say much about servers that are still starting."""
    logging.disable()


def main(arguments: list[str]) -> int:
    """Do as the command line says; 1 where that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m chat4all_devtools.stack",
        description="Real engines on this machine, in the background, without containers.",
    )
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=f"{', '.join(ENGINES)}; all of them by default")
    parser.add_argument("--folder", type=Path, default=DEFAULT, help="where the stack lives (default: .stack)")
    parser.add_argument("--host", default=LOOPBACK, help=f"address that they listen on (default: {LOOPBACK})")
    parser.add_argument("--free-ports", action="store_true", help="take any free ports instead of the usual ones")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.engines if name not in ENGINES]:
        parser.error(f"there is no engine {', '.join(unknown)}; there are {', '.join(ENGINES)}")
    quiet()
    stack = Stack(given.folder.resolve(), given.engines, given.host)
    try:
        match given.command:
            case "up":
                up(stack, free=given.free_ports)
            case "status":
                return status(stack)
            case _:
                stack.down()
                print(f"Stopped. Data stays in {stack.folder}; remove that folder to begin anew.")
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
