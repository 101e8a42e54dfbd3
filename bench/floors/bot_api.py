"""The least that can take a sendMessage: reads HTTP with httptools, decodes, appends to a file, and answers.

`python -m bench.floors.bot_api PORT FOLDER`. It knows no bots, chats, entities, limits or faults.
"""

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

import httptools
import msgspec

from bench import floors

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_ids = itertools.count(1)


class Connection(asyncio.Protocol):
    """One line."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport  # type: ignore[assignment] # of a TCP connection

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body += body

    def on_message_complete(self) -> None:
        """See httptools."""
        said, self._body = _decode(self._body), b""
        chat = {"id": said["chat_id"], "type": "private"}
        message = {"message_id": next(_ids), "date": int(time.time()), "chat": chat, "text": said["text"]}
        answer = _encode({"ok": True, "result": message})
        os.write(self._file, answer + b"\n")
        assert self._transport is not None  # noqa: S101 - connected before anything comes
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(answer) + answer)


async def main(port: int, folder: Path) -> None:
    """Serve until told to stop."""
    file = os.open(folder / "floor.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(file), sock=floors.listen(port))
    await server.serve_forever()


if __name__ == "__main__":
    floors.run(main(int(sys.argv[1]), Path(sys.argv[2])))
