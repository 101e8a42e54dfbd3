"""The entry point: it knows the commands, runs one, and reports what goes wrong."""

import io
import itertools
import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

import typer
from rich.console import Console
from typer.core import TyperOption
from typer.main import get_command

from chat4all import __version__
from chat4all.cli import (
    channels,
    completion,
    config,
    connectors,
    dev,
    dlq,
    doctor,
    history,
    links,
    migrate,
    probe,
    run,
    send,
    tail,
    token,
    trace,
    unregister,
    users,
)
from chat4all.cli.options import JSON_FLAG
from chat4all.cli.output import plain
from chat4all.client import AnswerError
from chat4all.model.errors import StartError

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, passwords among them
)
for command in (
    dev,
    token,
    send,
    tail,
    history,
    trace,
    channels,
    connectors,
    config,
    migrate,
    run,
    unregister,
    doctor,
    probe,
    completion,
):
    app.command(command.NAME)(command.run)


def _loaded(entry: EntryPoint) -> Callable[..., None]:
    """Return the command of another package; one that cannot be loaded says so when it is called, and no sooner."""
    try:
        command: Callable[..., None] = entry.load()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other commands are not to suffer from it
        fault = f"The command {entry.name} of {entry.value} cannot be loaded: {error!r}. Install or remove its package."

        def command() -> None:
            raise StartError(fault)

        command.__doc__ = "(It cannot be loaded.)"
    return command


for entry in entry_points(group="chat4all.commands"):
    app.command(entry.name)(_loaded(entry))
for group in (users, links, dlq):
    app.add_typer(group.app, name=group.NAME)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chat4all {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Chat4All: a messaging hub. Try it: chat4all dev

    Every command shows an example with --help. Every command but completion takes --json: JSON is then all that is on
    standard output, an object or, for lists, an array; what goes on for longer puts out one object a line. What is
    wrong is then an object {"error", "status"} on standard error, with the HTTP status if there is one.

    Exit codes: 0 done; 1 refused or failed; 2 no such command, argument or option.
    """
    _ = version


def main() -> None:
    """Run the command. What is wrong is one sentence on standard error, or JSON with --json; exit code 1 or 2."""
    # Looked for before Typer reads the options, so that a wrong option is reported as JSON too.
    as_json = JSON_FLAG in itertools.takewhile(lambda one: one != "--", sys.argv[1:])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an encoding without emoji is no reason to stop
    try:
        sys.exit(_command()(prog_name="chat4all", standalone_mode=not as_json))
    except AnswerError as error:
        _complain(str(error), error.status, as_json=as_json)
    except StartError as error:
        _complain(str(error), as_json=as_json)
    except UnicodeEncodeError:  # bytes that Python could not read came as half surrogates, which cannot be sent
        _complain("An argument, or what was read, is not text in UTF-8.", as_json=as_json)
    # These come only with --json; without it Typer has printed them.
    except typer.Abort:
        _complain("Aborted.", as_json=as_json)
    except typer.TyperException as error:
        _complain(error.format_message(), as_json=as_json, code=error.exit_code)


def _command() -> Callable[..., int | None]:
    """Return the command. Typer's own options for completion are hidden, for there is the command completion."""
    root = get_command(app)
    for option in root.params:
        if isinstance(option, TyperOption) and option.name in {"install_completion", "show_completion"}:
            option.hidden = True
    return root


def _complain(text: str, status: int = 0, *, as_json: bool, code: int = 1) -> None:
    if as_json:
        print(json.dumps({"error": text, "status": status or None}), file=sys.stderr)
    else:
        lines = "\n".join(map(plain, text.split("\n")))
        Console(stderr=True).print(f"chat4all: {lines}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
