"""chat4all tail: what happens in one's conversations, live."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer
from websockets import ConnectionClosed

from chat4all.cli import chats, output
from chat4all.cli.lines import describe
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client, Frame, Socket

NAME = "tail"

Show = Callable[[Frame], bool]  # whether there was something to be shown

_OURS: Final = ("resume", "pong")  # answers to what this command itself says


def run(
    chat: Annotated[
        str, typer.Argument(metavar="CHAT", help="Only this one: a user name, several with commas, or an id.")
    ] = "",
    username: As = "bruno",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    new: Annotated[bool, typer.Option("--new", help="Leave out what was said before.")] = False,
    count: Annotated[int, typer.Option(min=0, help="Stop after so many lines; 0: never.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what is said, live.

    Reconnects and resumes by itself. Times are UTC. With --json: the frames that docs/websocket.md describes.

    Example: chat4all tail --as bruno
    """
    show = _emitted if as_json else _printed
    try:
        asyncio.run(_tail(Client(url, username, password), chat, new=new, count=count, show=show))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _tail(client: Client, chat: str, *, new: bool, count: int, show: Show) -> None:
    shown = 0
    async with client:
        await client.token()  # a wrong password ends it here; later failures are retried
        only = await chats.found(client, chat) if chat else None
        cursors = await _heads(client) if new else {}
        got: dict[str, int] = {}  # the seq of the last message of each conversation
        async with contextlib.aclosing(client.frames(cursors)) as frames:
            async for socket, frame in frames:
                if frame["type"] == "resume":
                    await _acknowledge(socket, _unknown(frame["cursors"], client.username, got))
                if only and frame.get("conversation_id") != only:
                    continue
                if frame["type"] == "message":
                    got[frame["conversation_id"]] = frame["seq"]
                    await _acknowledge(socket, {frame["conversation_id"]: frame["seq"]})
                shown += show(frame)
                if shown == count > 0:
                    return


async def _acknowledge(socket: Socket, seqs: Mapping[str, int]) -> None:
    """The connection may end just then, which is no reason to end: the next one's resume tells what was not heard."""
    with contextlib.suppress(ConnectionClosed):
        for chat, seq in seqs.items():
            await socket.say({"type": "ack", "conversation_id": chat, "seq": seq})


def _unknown(cursors: Mapping[str, Mapping[str, Frame]], username: str, got: Mapping[str, int]) -> dict[str, int]:
    """What was got, and is not known to have been."""
    known = {chat: held[username]["delivered_seq"] for chat, held in cursors.items() if username in held}
    return {chat: seq for chat, seq in got.items() if seq > known.get(chat, 0)}


async def _heads(client: Client) -> dict[str, int]:
    pages = [page async for page in client.pages("/v1/conversations?limit=200")]
    return {one["conversation_id"]: one["last_seq"] for page in pages for one in page}


def _printed(frame: Frame) -> bool:
    line = describe(frame)
    if line is not None:
        output.lines().print(line)
    return line is not None


def _emitted(frame: Frame) -> bool:
    if frame["type"] in _OURS:
        return False
    output.emit(frame)
    return True
