"""What `chat4all tail` does where its connection ends at the worst moment."""

import asyncio
import json
from typing import Any

import websockets
from tests.integration.commands import DEADLINE

from chat4all.cli.tail import _tail
from chat4all.client import Client, Frame

CHAT = "0191d5a0-0000-7000-8000-000000000000"


class Known(Client):
    """A client whom nobody asks for their password."""

    async def token(self) -> str:
        self._token = "token"
        return self._token


class Cutting:
    """A server that ends the first connection together with the first message. `heard`: what it was told, in order."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    async def serve(self, socket: websockets.ServerConnection) -> None:
        await self.hear(socket)
        if len(self.heard) == 1:
            socket.protocol.send_text(said(1).encode())
            socket.protocol.send_close(1012)
            socket.send_data()  # at once: the client reads both before it answers either
            await socket.wait_closed()
            return
        cursors = {CHAT: {"ana": {"delivered_seq": 1}, "bruno": {"delivered_seq": 0}}}
        await socket.send(json.dumps({"type": "resume", "cursors": cursors}))
        await self.hear(socket)
        await socket.send(said(2))
        await self.hear(socket)
        await socket.wait_closed()

    async def hear(self, socket: websockets.ServerConnection) -> None:
        self.heard.append(json.loads(await socket.recv()))


def said(seq: int) -> str:
    return json.dumps({"type": "message", "conversation_id": CHAT, "seq": seq, "content": f"no. {seq}"})


async def test_a_connection_that_ends_with_a_message_is_made_anew_and_what_was_got_is_acknowledged() -> None:
    server, shown = Cutting(), []

    def show(frame: Frame) -> bool:
        shown.append(frame.get("seq"))
        return "seq" in frame

    async with websockets.serve(server.serve, "127.0.0.1", 0, subprotocols=[websockets.Subprotocol("chat4all")]) as at:
        port = next(iter(at.sockets)).getsockname()[1]
        async with asyncio.timeout(DEADLINE):
            await _tail(Known(f"http://127.0.0.1:{port}", "bruno", ""), "", new=False, count=2, on_frame=show)
    assert shown == [1, None, 2]
    assert server.heard == [
        {"type": "resume", "cursors": {}},
        {"type": "resume", "cursors": {CHAT: 1}},
        {"type": "ack", "conversation_id": CHAT, "seq": 1},
        {"type": "ack", "conversation_id": CHAT, "seq": 2},
    ]
