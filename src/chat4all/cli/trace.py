"""chat4all trace: where is my message?"""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chat4all.cli.client import DEFAULT_URL, DEMO_PASSWORD, As, Client, Password, Url

NAME = "trace"


def run(
    message: Annotated[str, typer.Argument(help="The message's id.")],
    username: As = "ana",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
) -> None:
    """Show everything that happened to a message. Example: chat4all trace --as ana 0191..."""
    events = asyncio.run(_timeline(Client(url, username, password), message))
    Console(highlight=False).print(table(message, events))


async def _timeline(client: Client, message: str) -> list[dict[str, Any]]:
    async with client:
        events: list[dict[str, Any]] = (await client.call("GET", f"/v1/messages/{message}/timeline")).json()
        return events


def table(message: str, events: list[dict[str, Any]]) -> Table:
    """The timeline, a line per event."""
    drawn = Table("when (UTC)", "what", "who", "detail", title=f"Message {message}", title_justify="left")
    for event in events:
        drawn.add_row(event["at"][11:23], event["what"], Text(event["who"]), Text(event["detail"]))
    return drawn
