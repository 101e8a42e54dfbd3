"""chat4all trace shows the timeline of a message."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "trace"


def run(
    message: Annotated[str, typer.Argument(help="The message's id.")],
    username: As = "ana",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show everything that happened to a message.

    Example: chat4all trace --as ana 01997a3e-5c1f-7d02-9c1b-2f6a8e4b7d10
    """
    path = f"/v1/messages/{quote(message, safe='')}/timeline"
    events = listing.fetch(Client(url, username, password), path)
    if as_json:
        output.emit(events)
    else:
        output.tables().print(table(message, events))


def table(message: str, events: list[dict[str, Any]]) -> Table:
    """Return the timeline as a table, a line per event."""
    title = Text(f"Message {output.plain(message)}")
    grid = Table("when (UTC)", "what", "who", "detail", title=title, title_justify="left")
    for event in events:
        grid.add_row(
            event["at"][11:23], event["what"], *(Text(output.plain(event[name])) for name in ("who", "detail"))
        )
    return grid
