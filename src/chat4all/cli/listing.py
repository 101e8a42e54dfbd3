"""What commands that list something share: a request, then a table or JSON."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from chat4all.cli import output
from chat4all.client import Client


def fetch(client: Client, path: str) -> list[dict[str, Any]]:
    """The whole list. Raises AnswerError."""

    async def read() -> list[dict[str, Any]]:
        async with client:
            return [one async for page in client.pages(path) for one in page]

    return asyncio.run(read())


def ask(client: Client, method: str, path: str, body: object = None) -> dict[str, Any]:
    """One request. Raises AnswerError."""

    async def call() -> dict[str, Any]:
        async with client:
            told: dict[str, Any] = (await client.call(method, path, body)).json()
            return told

    return asyncio.run(call())


def show(rows: Sequence[Mapping[str, str]], nothing: str) -> None:
    """A table with the rows' names as its head; where there are none, what that means."""
    if not rows:
        output.note(nothing)
        return
    drawn = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        drawn.add_row(*(Text(output.plain(cell)) for cell in row.values()))
    output.tables().print(drawn)
