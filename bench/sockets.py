"""A bare WebSocket client, cheap enough that thousands of them do not hold a server back."""

import asyncio
import struct
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from bench.measurement import FaultError

_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT: Final = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # what every server has to answer to that key
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_AT_ONCE: Final = 200  # connections that are being opened


class Frame(msgspec.Struct):
    """What the measurements look at of a frame."""

    type: str
    conversation_id: str = ""
    seq: int = 0
    sender_id: str = ""
    content: str = ""


decode: Final = msgspec.json.Decoder(Frame).decode


def handshake(port: int, path: str, token: str | None = None) -> bytes:
    """The opening request; the token goes as a subprotocol."""
    offered = f"Sec-WebSocket-Protocol: chat4all, bearer.{token}\r\n" if token else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n{offered}\r\n"
    ).encode()


def resume(cursors: dict[str, int]) -> bytes:
    """The first frame of a client that was away."""
    return msgspec.json.encode({"type": "resume", "cursors": cursors})


class Socket(asyncio.Protocol):
    """One connection. Measurements say in `opened` and `heard` what it does. A close that is not ours is a fault."""

    def __init__(self, opening: bytes) -> None:
        self._opening = opening
        self._buffer = b""
        self._open = False
        self._closing = False
        self._transport: asyncio.Transport | None = None

    def opened(self) -> None:
        """The handshake is done."""

    def heard(self, payload: bytes) -> None:
        """A text frame came."""

    def say(self, payload: bytes) -> None:
        """Send a text frame."""
        self._send(_TEXT, payload)

    def close(self) -> None:
        """Go away without a word, as a client does that loses its line."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a TCP connection
        self._write(self._opening)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            raise FaultError(f"a WebSocket was lost: {exc}")

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        data = self._buffer + data if self._buffer else data
        self._buffer = self._frames(data) if self._open else self._opened(data)

    def _opened(self, data: bytes) -> bytes:
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return data
        if not head.startswith(b"HTTP/1.1 101") or _ACCEPT not in head:
            raise FaultError(f"a handshake was refused: {data[:500].decode(errors='replace')}")
        self._open = True
        self.opened()
        return self._frames(rest) if rest else rest

    def _frames(self, data: bytes) -> bytes:
        """Take every whole frame; returns what is left."""
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if end < start:
                    break
                size = int.from_bytes(data[at + 2 : start], "big")
            if end < start + size:
                break
            self._frame(data[at], data[start : start + size])
            at = start + size
        return data[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if self._closing:
            return
        if opcode == _TEXT:
            self.heard(payload)
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            raise FaultError(f"closed with {int.from_bytes(payload[:2], 'big')}: {payload[2:].decode()}")
        elif opcode != _PONG:
            raise FaultError(f"a frame that begins with {opcode:#x}")

    def _send(self, opcode: int, payload: bytes) -> None:
        """Masked with noughts, which leaves the payload as it is."""
        size = len(payload)
        head = struct.pack(">BB", opcode, 0x80 | size) if size < 126 else struct.pack(">BBH", opcode, 0xFE, size)
        self._write(head + b"\0\0\0\0" + payload)

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise FaultError("a WebSocket was used before it was open")
        self._transport.write(data)


S = TypeVar("S", bound=Socket)


async def connect(port: int, socket: S) -> S:
    """Connect it; its handshake goes on by itself."""
    await asyncio.get_running_loop().create_connection(lambda: socket, "127.0.0.1", port)
    return socket


async def connect_all(port: int, sockets: Sequence[Socket], *, at_once: int = _AT_ONCE) -> None:
    """Connect them, so many at a time."""
    for first in range(0, len(sockets), at_once):
        await asyncio.gather(*(connect(port, socket) for socket in sockets[first : first + at_once]))


def close_all(sockets: Iterable[Socket]) -> None:
    """Before their server stops."""
    for socket in sockets:
        socket.close()
