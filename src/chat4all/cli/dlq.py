"""chat4all dlq shows what could not be read of the log, and replays it."""

from typing import Annotated, Any

import typer

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "dlq"

_PATH = "/v1/dead-letters"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=0, help="The dead letter's number.")]


@app.callback()
def about() -> None:
    """See dead letters, which could not be read, and put them back.

    Example: chat4all dlq list
    """


@app.command(name="list")
def list_letters(
    username: As = "admin", password: Password = DEMO_PASSWORD, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the dead letters, the oldest first.

    Example: chat4all dlq list
    """
    letters = listing.fetch(Client(url, username, password), _PATH)
    if as_json:
        output.emit(letters)
    else:
        listing.show([_row(one) for one in letters], "There are no dead letters.")


@app.command()
def show(
    number: Number,
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show one, whole.

    Example: chat4all dlq show 3
    """
    letter = listing.ask(Client(url, username, password), "GET", f"{_PATH}/{number}")
    if as_json:
        output.emit(letter)
        return
    for name, value in letter.items():
        typer.echo(f"{name + ':':<11}{output.plain(str(value))}")


@app.command()
def replay(
    number: Number,
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Put one back to where it came from.

    Refused while it still cannot be read. Doing it twice does nothing twice.

    Example: chat4all dlq replay 3
    """
    answer = listing.ask(Client(url, username, password), "POST", f"{_PATH}/{number}/replay")
    if as_json:
        output.emit(answer)
    else:
        typer.echo(f"Dead letter {number} is back in its topic.")


def _row(one: dict[str, Any]) -> dict[str, str]:
    return {
        "number": str(one["number"]),
        "when (UTC)": one["at"][:19].replace("T", " "),
        "from": f"{one['topic']}/{one['partition']}:{one['offset']}",
        "key": one["key"],
        "reason": one["reason"],
    }
