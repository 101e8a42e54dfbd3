"""Commands that list something share this: a request, then a table or JSON."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from chat4all.cli import output
from chat4all.client import Client


def fetch(client: Client, path: str) -> list[dict[str, Any]]:
    """Return the whole list, page after page. Raises AnswerError."""

    async def read() -> list[dict[str, Any]]:
        async with client:
            return [one async for page in client.pages(path) for one in page]

    return asyncio.run(read())


def ask(client: Client, method: str, path: str, body: object = None) -> dict[str, Any]:
    """Send one request and return its JSON. Raises AnswerError."""

    async def call() -> dict[str, Any]:
        async with client:
            answer: dict[str, Any] = (await client.call(method, path, body)).json()
            return answer

    return asyncio.run(call())


def show(rows: Sequence[Mapping[str, str]], nothing: str) -> None:
    """Print a table with the names in the first row as its head, or the note `nothing` where there are no rows."""
    if not rows:
        output.note(nothing)
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(output.plain(cell)) for cell in row.values()))
    output.tables().print(table)
