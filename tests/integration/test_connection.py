"""A WebSocket's bytes: what a client may do to the protocol, and what comes of it (gateway/connection.py).

`Raw` speaks by hand, so that it can do what no client package would.
"""

import asyncio
import base64
import contextlib
import json
import os
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self

import pytest
from tests.integration.conftest import Start
from tests.integration.people import DEADLINE, Person, System

from chat4all.gateway import endpoint

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
FIN: Final = 0x80
FLOOD: Final = 64 << 20  # bytes


class Raw:
    """A TCP connection on which a WebSocket is spoken frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, system: System, path: str = "/ws", protocols: str = "") -> tuple[Self, int]:
        """Connect and ask for an upgrade; also the status of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", system.port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {protocols}"] if protocols else []
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(DEADLINE):
            head = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), int(head.split()[1])

    def send(self, opcode: int, data: bytes = b"", *, first: int = FIN, masked: bool = True) -> None:
        """One frame; `first`: FIN, or nought where more follows."""
        length = len(data)
        size = bytes([length | 0x80 * masked]) if length < 126 else struct.pack("!BH", 126 | 0x80 * masked, length)
        self._writer.write(bytes([first | opcode]) + size + (bytes(4) if masked else b"") + data)

    def say(self, frame: dict[str, Any]) -> None:
        """A text frame of JSON."""
        self.send(TEXT, json.dumps(frame).encode())

    async def hear(self) -> tuple[int, bytes]:
        """The next frame's opcode and data. Raises asyncio.IncompleteReadError at the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            opcode, length = await self._reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
            return opcode & 0x0F, await self._reader.readexactly(length)

    async def until(self, opcode: int) -> bytes:
        """The data of the next frame of this opcode."""
        while True:
            found, data = await self.hear()
            if found == opcode:
                return data

    async def pong(self) -> None:
        """Hear until the answer to a ping of the API's."""
        while json.loads(await self.until(TEXT))["type"] != "pong":
            pass

    async def ended(self) -> None:
        """Hear until the connection has ended."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self.hear()

    async def flood(self, until: Callable[[], bool]) -> int:
        """Send pings of the protocol and read nothing, until this is so; how many bytes went, FLOOD at the most."""
        sent = 0
        while sent < FLOOD and not until():
            self.send(PING, b"x" * 125)
            sent += 131
            if sent % 1310 == 0:
                await asyncio.sleep(0)
        return sent

    def end_writing(self) -> None:
        """Say nothing more."""
        self._writer.write_eof()

    def close(self) -> None:
        """End the TCP connection."""
        self._writer.close()


@contextlib.asynccontextmanager
async def raw(system: System, who: Person) -> AsyncIterator[Raw]:
    """Somebody's connection, open and live."""
    connection, status = await Raw.to(system, protocols=f"chat4all, bearer.{who.token}")
    assert status == 101
    try:
        connection.say({"type": "ping"})
        await connection.pong()
        yield connection
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/elsewhere", "/ws/", "/v1/messages"])
async def test_there_is_a_websocket_at_one_place_only(system: System, path: str) -> None:
    connection, status = await Raw.to(system, path)
    assert status == 404
    await connection.ended()
    connection.close()


async def test_a_message_in_pieces_is_one(system: System) -> None:
    async with raw(system, await system.login("ana")) as ana:
        ana.send(TEXT, b'{"type":', first=0)
        ana.send(PING, b"in between")
        ana.send(0, b' "pi', first=0)
        ana.send(0, b'ng"}')
        assert await ana.until(PONG) == b"in between"
        await ana.pong()


async def test_a_ping_of_the_protocol_is_answered(system: System) -> None:
    async with raw(system, await system.login("ana")) as ana:
        ana.send(PING, b"are you there")
        assert await ana.until(PONG) == b"are you there"


@pytest.mark.parametrize(
    ("opcode", "data", "masked", "code"),
    [(TEXT, b"\xff\xfe", True, 1007), (TEXT, b"{}", False, 1002), (3, b"", True, 1002)],
    ids=["not UTF-8", "not masked", "an opcode that is none"],
)
async def test_what_breaks_the_protocol_ends_the_connection(
    system: System, opcode: int, data: bytes, masked: bool, code: int
) -> None:
    async with raw(system, await system.login("ana")) as ana:
        ana.send(opcode, data, masked=masked)
        assert struct.unpack("!H", (await ana.until(CLOSE))[:2]) == (code,)
        await ana.ended()


async def test_a_client_that_says_goodbye_gets_its_answer(system: System) -> None:
    async with raw(system, await system.login("ana")) as ana:
        ana.send(CLOSE, struct.pack("!H", 1000))
        assert struct.unpack("!H", await ana.until(CLOSE)) == (1000,)
        await ana.ended()


async def test_ten_thousand_frames_at_once_are_all_answered(system: System) -> None:
    async with raw(system, await system.login("ana")) as ana:
        for _ in range(10_000):
            ana.send(TEXT, b'{"type":"ping"}')
        for _ in range(10_000):
            await ana.pong()


async def test_a_client_that_answers_no_ping_is_let_go_and_one_that_does_stays(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_CHECK_INTERVAL_SECONDS", 3600.0)  # it looks when the test does
    system = await start()
    silent_one, lively_one = await system.register(), await system.register()
    async with raw(system, silent_one) as silent, raw(system, lively_one) as lively:
        for _ in range(3):
            for connection in list(system.gateway.websockets._open):
                connection.check()
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                lively.send(PONG, await lively.until(PING))
                lively.say({"type": "ping"})
                await lively.pong()
        await silent.ended()
        lively.say({"type": "ping"})
        await lively.pong()
        assert (await silent_one.get(f"/v1/presence/{silent_one.username}"))["status"] == "offline"
        assert (await lively_one.get(f"/v1/presence/{lively_one.username}"))["status"] == "online"


async def test_who_asks_and_reads_no_answer_is_held_and_then_let_go(system: System) -> None:
    """Answers to pings of the protocol pile up for a client that does not read: it is not heard any more either."""
    who = await system.register()
    before = set(system.gateway.websockets._open)
    connection, _ = await Raw.to(system, protocols=f"chat4all, bearer.{who.token}")
    (ours,) = set(system.gateway.websockets._open) - before
    sent = await connection.flood(lambda: "it does not read" in ours._holds)
    assert sent < FLOOD, "it goes on taking what it cannot answer"
    connection.end_writing()
    end = asyncio.get_running_loop().time() + DEADLINE
    while ours in system.gateway.websockets._open:
        assert asyncio.get_running_loop().time() < end, "it is still there"
        ours.check()
        await asyncio.sleep(0.01)
    assert (await who.get(f"/v1/presence/{who.username}"))["status"] == "offline"
    connection.close()


async def test_empty_pieces_take_no_room(system: System) -> None:
    before = set(system.gateway.websockets._open)
    async with raw(system, await system.login("ana")) as ana:
        (ours,) = set(system.gateway.websockets._open) - before
        ana.send(TEXT, b'{"type":', first=0)
        for _ in range(1000):
            ana.send(0, b"", first=0)
        ana.send(PING)
        await ana.until(PONG)
        assert len(ours._parts) == 1
        ana.send(0, b'"ping"}')
        await ana.pong()


async def test_one_who_goes_while_much_waits_for_him_harms_nobody(system: System) -> None:
    """The protocol is closed, the transport is not yet: a look at the connection in between raises nothing."""
    before = set(system.gateway.websockets._open)
    async with raw(system, await system.login("ana")) as ana:
        (ours,) = set(system.gateway.websockets._open) - before
        ours._protocol.receive_eof()
        ours.check()
        ours._end()
        ours.check()
        await ana.ended()
