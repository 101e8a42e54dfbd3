"""A provider that answers as a table says, over real HTTP, and keeps what it was asked."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from chat4all.channels.testing.tables import ProviderAnswer


class Provider:
    """It gives each request the next answer and closes its connection. `requests`: paths and bodies, in order."""

    def __init__(self, answers: Sequence[ProviderAnswer]) -> None:
        self.requests: list[tuple[str, Any]] = []
        self._answers = list(answers)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        length = next(int(one.partition(":")[2]) for one in lines if one.lower().startswith("content-length"))
        self.requests.append((lines[0].split(" ")[1], json.loads(await reader.readexactly(length))))
        answer = self._answers.pop(0)
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        sent = f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        writer.write(sent if answer.cut is None else sent[: answer.cut])
        await writer.drain()
