"""chat4all history shows what was said in a conversation."""

import asyncio
from typing import Annotated, Literal
from urllib.parse import urlencode

import typer

from chat4all.cli import chats, output
from chat4all.cli.lines import remember
from chat4all.cli.options import As, Chat, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client, Frame

NAME = "history"

Kinds = Literal["messages", "all"]

_PAGE_ROWS = 200  # the most that the server gives at once


def run(
    chat: Chat,
    username: As = "ana",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Only the last so many.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, metavar="SEQ", help="Only what is before this number.")] = None,
    kinds: Annotated[Kinds, typer.Option(help="all: edits, deletes and changes of members too.")] = "messages",
    as_json: Json = False,
) -> None:
    """Show what was said.

    The latest comes last; messages are as they stand now. Times are UTC.

    Example: chat4all history --as ana bruno --limit 50
    """
    query = {"kinds": kinds, "limit": min(limit, _PAGE_ROWS)} | ({"before_seq": before} if before else {})
    rows = asyncio.run(_history(Client(url, username, password), chat, urlencode(query), limit))
    if as_json:
        output.emit(rows)
    elif rows:
        _print(rows, username)
    else:
        output.note("There are no messages yet." if before is None else f"There are no messages before no. {before}.")


async def _history(client: Client, chat: str, query: str, limit: int) -> list[Frame]:
    """Return the last `limit` rows, by rising seq. The server gives the last page first."""
    rows: list[Frame] = []
    async with client:
        conversation_id = await chats.found(client, chat)
        async for page in client.pages(f"/v1/conversations/{conversation_id}/messages?{query}"):
            rows = page + rows
            if len(rows) >= limit:
                break
    return rows[-limit:]


def _print(rows: list[Frame], me: str) -> None:
    console = output.lines()
    seqs = {row["message_id"]: row["seq"] for row in rows if row["type"] == "message"}
    for row in rows:
        console.print(remember(row, me=me, seqs=seqs))
