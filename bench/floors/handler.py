"""A raw ASGI handler: it decodes, appends to the same log, tells who is connected, and answers 202. Nothing more.

`python -m bench.floors.handler PORT FOLDER`. It knows no users: every WebSocket gets every message.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import uvicorn
from starlette.types import Receive, Scope, Send

from bench import floors
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, Entry, Topic
from chat4all.model import ids, records

_PARTITIONS: Final = 24  # as the server's default
_WEEK: Final = 7 * 86_400.0
_JSON: Final = b"application/json"
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Body(msgspec.Struct, frozen=True):
    """The same shape as the server's own."""

    chat_id: _Id
    content: Annotated[str, msgspec.Meta(min_length=1, max_length=10_000)]
    channels: Annotated[tuple[Literal["all", "app"], ...], msgspec.Meta(min_length=1, max_length=16)] = ("all",)
    reply_to: _Id | None = None
    file_id: None = None


class Answer(msgspec.Struct, frozen=True):
    """The same shape as the server's own."""

    message_id: str
    status: Literal["accepted"] = "accepted"


_decode = msgspec.json.Decoder(Body).decode
_encode = msgspec.json.Encoder().encode


class Handler:
    """The ASGI application."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._log = log
        self._listeners: list[Send] = []
        self._seqs: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._listen(receive, send)
        else:
            await self._accept(receive, send)

    async def _accept(self, receive: Receive, send: Send) -> None:
        said = _decode(await _body(receive))
        message = records.Message(
            id=ids.new_id(),
            conversation_id=said.chat_id,
            sender_id="ana",
            content=said.content,
            channels=said.channels,
            reply_to=said.reply_to,
        )
        await self._log.append([Entry(CONVERSATIONS, said.chat_id.encode(), records.encode(message))])
        if self._listeners:
            await self._tell(message)
        answer = _encode(Answer(message.id))
        headers = [(b"content-length", b"%d" % len(answer)), (b"content-type", _JSON)]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _tell(self, message: records.Message) -> None:
        self._seqs[message.conversation_id] += 1
        text = _encode(_frame(message, self._seqs[message.conversation_id])).decode()
        for send in self._listeners:
            await send({"type": "websocket.send", "text": text})

    async def _listen(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self._listeners.append(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self._listeners.remove(send)


async def _body(receive: Receive) -> bytes:
    event = await receive()
    body: bytes = event["body"]
    while event["more_body"]:
        event = await receive()
        body += event["body"]
    return body


def _frame(message: records.Message, seq: int) -> dict[str, object]:
    """As long as the server's own; the time is of no matter."""
    return {
        "to_user": "bruno",
        "type": "message",
        "conversation_id": message.conversation_id,
        "seq": seq,
        "sender_id": message.sender_id,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "message_id": message.id,
        "content": message.content,
        "file_id": None,
        "reply_to": message.reply_to,
        "edited_at": None,
        "deleted_at": None,
    }


async def main(port: int, folder: Path) -> None:
    """Serve with the HTTP server's options of the server under test."""
    log = EmbeddedLog(folder / "log.db")
    await log.open()
    await log.create([Topic(CONVERSATIONS, _PARTITIONS, _WEEK)])
    config = uvicorn.Config(
        Handler(log),
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    await uvicorn.Server(config).serve(sockets=[floors.listen(port)])


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1]), Path(sys.argv[2])))
