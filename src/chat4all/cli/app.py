"""The command's entry: which commands there are, and how what goes wrong is said."""

import sys

import typer
from rich.console import Console

from chat4all.cli import demo, dev, send, tail, token, trace
from chat4all.cli.client import AnswerError
from chat4all.model.errors import StartError

app = typer.Typer(
    name="chat4all",
    help="Chat4All: a messaging hub. Try it: chat4all dev",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, passwords among them
)
for command in (dev, demo, token, send, tail, trace):
    app.command(command.NAME)(command.run)


def main() -> None:
    """Run the command; what is wrong is one sentence on standard error and exit code 1."""
    try:
        app()
    except (StartError, AnswerError) as error:
        Console(stderr=True).print(f"chat4all: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
