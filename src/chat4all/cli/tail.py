"""chat4all tail shows what happens in a user's conversations, live."""

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

OnFrame = Callable[[Frame], bool]  # whether there was something to be shown

_OWN_ANSWERS: Final = ("resume", "pong")  # answers to what this command itself says


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
    on_frame = _emit_frame if as_json else _print_frame
    try:
        asyncio.run(_tail(Client(url, username, password), chat, new=new, count=count, on_frame=on_frame))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _tail(client: Client, chat: str, *, new: bool, count: int, on_frame: OnFrame) -> None:
    shown = 0
    async with client:
        await client.token()  # a wrong password ends it here; later failures are retried
        only = await chats.found(client, chat) if chat else None
        cursors = await _heads(client) if new else {}
        last_seqs: dict[str, int] = {}  # of the messages received, by conversation
        async with contextlib.aclosing(client.frames(cursors)) as frames:
            async for socket, frame in frames:
                if frame["type"] == "resume":
                    await _acknowledge(socket, _unacknowledged(frame["cursors"], client.username, last_seqs))
                if only and frame.get("conversation_id") != only:
                    continue
                if frame["type"] == "message":
                    last_seqs[frame["conversation_id"]] = frame["seq"]
                    await _acknowledge(socket, {frame["conversation_id"]: frame["seq"]})
                shown += on_frame(frame)
                if shown == count > 0:
                    return


async def _acknowledge(socket: Socket, seqs: Mapping[str, int]) -> None:
    """Acknowledge messages. The connection may end just then: the next resume tells which were not heard."""
    with contextlib.suppress(ConnectionClosed):
        for chat, seq in seqs.items():
            await socket.say({"type": "ack", "conversation_id": chat, "seq": seq})


def _unacknowledged(
    cursors: Mapping[str, Mapping[str, Frame]], username: str, last_seqs: Mapping[str, int]
) -> dict[str, int]:
    """Return the last seqs of which the server does not know yet that they were received."""
    delivered = {chat: users[username]["delivered_seq"] for chat, users in cursors.items() if username in users}
    return {chat: seq for chat, seq in last_seqs.items() if seq > delivered.get(chat, 0)}


async def _heads(client: Client) -> dict[str, int]:
    pages = [page async for page in client.pages("/v1/conversations?limit=200")]
    return {one["conversation_id"]: one["last_seq"] for page in pages for one in page}


def _print_frame(frame: Frame) -> bool:
    line = describe(frame)
    if line is not None:
        output.lines().print(line)
    return line is not None


def _emit_frame(frame: Frame) -> bool:
    if frame["type"] in _OWN_ANSWERS:
        return False
    output.emit(frame)
    return True
