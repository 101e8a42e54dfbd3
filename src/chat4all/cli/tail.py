"""chat4all tail: what happens in one's conversations, live."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from chat4all.cli.client import DEFAULT_URL, DEMO_PASSWORD, As, Client, Frame, Password, Url

NAME = "tail"


def run(
    conversation: Annotated[str, typer.Argument(help="Only this conversation.")] = "",
    username: As = "bruno",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    new: Annotated[bool, typer.Option("--new", help="Leave out what was said before.")] = False,
    count: Annotated[int, typer.Option(help="Stop after so many lines; 0: never.")] = 0,
) -> None:
    """Show what is said as it happens; reconnects and resumes by itself. Example: chat4all tail --as bruno"""
    try:
        asyncio.run(_tail(Client(url, username, password), conversation, new=new, count=count))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _tail(client: Client, conversation: str, *, new: bool, count: int) -> None:
    console = Console(highlight=False, soft_wrap=True)
    shown = 0
    async with client:
        await client.token()  # a wrong password ends it here; later failures are retried
        cursors = await _heads(client) if new else {}
        async for socket, frame in client.frames(cursors):
            if conversation and frame.get("conversation_id") != conversation:
                continue
            if frame["type"] == "message":
                await socket.say({"type": "ack", "conversation_id": frame["conversation_id"], "seq": frame["seq"]})
            if line := describe(frame):
                console.print(line)
                shown += 1
            if shown == count > 0:
                return


async def _heads(client: Client) -> dict[str, int]:
    listed = (await client.call("GET", "/v1/conversations?limit=200")).json()
    return {one["conversation_id"]: one["last_seq"] for one in listed}


def describe(frame: Frame) -> Text | None:
    """A frame as a line; None for what a person does not want to see."""
    who = frame.get("sender_id") or frame.get("user_id", "")
    when = str(frame.get("timestamp", ""))[11:19]
    match frame["type"]:
        case "message":
            gone = frame["deleted_at"] is not None
            said = Text("(deleted)", "dim") if gone else Text(frame["content"])
        case "edit":
            said = Text(f"changed no. {frame['target_seq']} to: {frame['content']}", "yellow")
        case "delete":
            said = Text(f"deleted no. {frame['target_seq']}", "yellow")
        case "members":
            said = Text(f"added {frame['added']}, removed {frame['removed']}", "yellow")
        case "receipt":
            said = Text(f"has up to {frame['delivered_seq']}, read up to {frame['read_seq']}", "dim")
        case "presence":
            said = Text(f"is {frame['status']}", "dim")
        case "error" | "resync" | "token_expiring":
            said = Text(str(frame), "red")
        case _:
            return None
    number = f"{frame['seq']:>4} " if "seq" in frame else "     "
    return Text.assemble((f"{when} ", "dim"), number, (f"{who}: ", "bold"), said)
