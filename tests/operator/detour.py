"""A way to a server that leads through a test: each request may pass, be answered in the server's place, or be cut."""

import asyncio
import contextlib
import enum
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chat4all_devtools.ports import free_port

_HEAD: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n")
_ENDED: Final = (OSError, ssl.SSLError, asyncio.IncompleteReadError)
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: whoever ends a connection here resets it


class Fate(enum.Enum):
    """What else may become of a request. RESET: its connection is reset, before the server hears of it."""

    RESET = 1


# Of the bytes of a request: other bytes are the answer in the server's place; None: it passes. What it returns as a
# memoryview is passed in place of the request.
Rule = Callable[[bytes], bytes | memoryview | Fate | None]


class Detour:
    """It is there from its making until it is closed. `url`: of the server; `pki`: where the certificates of one are
    that speaks TLS. `rule` may be changed at any time.

    One request is looked at where it begins: clients of these tests send the next one when the last is answered.
    """

    def __init__(self, url: str, pki: Path | None = None, rule: Rule = lambda _: None) -> None:
        parts = urlsplit(url)
        self.rule = rule
        self.port = free_port()
        self.url = f"{parts.scheme}://127.0.0.1:{self.port}"
        self._server = parts.hostname, parts.port
        self._pki = pki
        self._silent = False
        self._lines: dict[asyncio.Task[None], bool] = {}  # whether it is silent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="detour")
        self._thread.start()
        self._listener = self._do(asyncio.start_server(self._line, "127.0.0.1", self.port))

    def close(self) -> None:
        """End every connection, and itself."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def lead(self, kubeconfig: Path) -> None:
        """Have a client with this configuration come through here."""
        found = json.loads(kubeconfig.read_text())
        found["clusters"][0]["cluster"]["server"] = self.url
        kubeconfig.write_text(json.dumps(found))

    def silence(self) -> None:
        """From now on nothing passes, and nothing ends: connections are accepted, and never is there a byte."""
        self._silent = True
        self._lines = dict.fromkeys(self._lines, True)

    def heal(self) -> None:
        """New connections work; those that were there while it was silent never do again."""
        self._silent = False

    def reset(self) -> None:
        """Reset every connection that there is."""
        self._do(self._reset())

    def _do(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    async def _close(self) -> None:
        self._listener.close()
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        await self._listener.wait_closed()

    async def _reset(self) -> None:
        for line in self._lines:
            line.cancel()

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: Any = asyncio.current_task()
        self._lines[line] = self._silent
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        opened = [writer]
        with contextlib.suppress(asyncio.CancelledError, *_ENDED):
            await self._speaks(line)
            if self._pki is not None:
                await writer.start_tls(_served(self._pki))
            context = None if self._pki is None else ssl.create_default_context(cafile=self._pki / "ca.crt")
            back, there = await asyncio.open_connection(*self._server, ssl=context)
            opened.append(there)
            ways = [self._requests(line, reader, there, writer), self._answers(line, back, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        del self._lines[line]
        for one in opened:
            one.transport.abort()

    async def _speaks(self, line: Any) -> None:
        """Go on, but for ever wait where this line is silent."""
        if self._lines[line]:
            await asyncio.Event().wait()

    async def _requests(
        self, line: Any, reader: asyncio.StreamReader, there: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(1 << 20):
            await self._speaks(line)
            fate = await asyncio.to_thread(self.rule, data) if _HEAD.match(data) else None
            if isinstance(fate, Fate):
                return
            to, what = (back, fate) if isinstance(fate, bytes) else (there, fate or data)
            to.write(what)
            await to.drain()

    async def _answers(self, line: Any, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            await self._speaks(line)
            to.write(data)
            await to.drain()


def asked(request: bytes) -> str:
    """What a request asks for: its method and its path."""
    return request.partition(b" HTTP/1.1\r\n")[0].decode()


def answer(status: int, body: Any, **headers: str) -> bytes:
    """An answer in JSON."""
    text = json.dumps(body).encode()
    head = {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
    return f"HTTP/1.1 {status} As Told\r\n{lines}\r\n".encode() + text


def _served(pki: Path) -> ssl.SSLContext:
    """The API server's own certificate is good for every port of loopback."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki / "apiserver.crt", pki / "apiserver.key")
    return context
