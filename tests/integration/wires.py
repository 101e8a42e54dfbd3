"""WebSockets as clients have them: a wire that keeps every frame it was sent, and a phone that opens some."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import websockets
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.people import DEADLINE, Person, System, expected

Frame = dict[str, Any]

ORDERED: Final = ("message", "edit", "delete", "members")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
LONG: Final = 120.0  # seconds for what has to do more than one thing


class Wire:
    """A client's end of a WebSocket. `heard`: every frame so far, in the order in which they came."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Frame] = []

    async def say(self, frame: Mapping[str, object] | str | bytes) -> None:
        """Send a frame; text and bytes as they are."""
        await self.connection.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def hear(self, within: float = DEADLINE) -> Frame:
        """The next frame. Raises websockets.ConnectionClosed, TimeoutError."""
        async with asyncio.timeout(within):
            text = await self.connection.recv()
        assert isinstance(text, str), "frames are text frames"
        frame: Frame = json.loads(text)
        self.heard.append(frame)
        return frame

    async def until(self, kind: str, within: float = DEADLINE, **fields: object) -> Frame:
        """The next frame of this type with these fields; what comes before it stays in `heard`."""
        end = time.monotonic() + within
        while True:
            frame = await self.hear(max(0.0, end - time.monotonic()))
            if frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items()):
                return frame

    async def up_to(self, conversation: str, seq: int, within: float = LONG) -> list[Frame]:
        """Hear until this seq of the conversation has come; all of its ordered frames so far."""
        end = time.monotonic() + within
        while not any(frame["seq"] >= seq for frame in self.rows(conversation)):
            await self.hear(max(0.0, end - time.monotonic()))
        return self.rows(conversation)

    async def pong(self) -> list[Frame]:
        """Everything that was on its way: what came before the answer to a ping, but who comes and goes elsewhere."""
        before = len(self.heard)
        await self.say({"type": "ping"})
        await self.until("pong")
        return [frame for frame in self.heard[before:-1] if frame["type"] != "presence"]

    async def resume(self, cursors: Mapping[str, int]) -> Frame:
        """Resume and hear until it is answered."""
        await self.say({"type": "resume", "cursors": cursors})
        return await self.until("resume")

    async def closed(self, within: float = DEADLINE) -> int:
        """Hear until the server closes; the close code."""
        end = time.monotonic() + within
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await self.hear(max(0.0, end - time.monotonic()))
        code = self.connection.close_code
        assert code is not None
        return code

    def rows(self, conversation: str) -> list[Frame]:
        """The frames so far that have a place in this conversation's order."""
        return [one for one in self.heard if one["type"] in ORDERED and one["conversation_id"] == conversation]

    def seqs(self, conversation: str) -> list[int]:
        """Their seqs."""
        return [frame["seq"] for frame in self.rows(conversation)]

    def of(self, kind: str, **fields: object) -> list[Frame]:
        """The frames so far of this type with these fields."""
        return [
            frame
            for frame in self.heard
            if frame["type"] == kind and all(frame.get(name) == value for name, value in fields.items())
        ]

    def cut(self) -> None:
        """Break the connection without a word."""
        self.connection.transport.abort()


@contextlib.asynccontextmanager
async def wired(
    system: System, token: str, *, in_address: bool = False, resumes: bool = False, **more: Any
) -> AsyncIterator[Wire]:
    """A connection that has said nothing yet. `in_address`: the token as ?token=, not as a subprotocol; `resumes`: it
    says in its address that it will resume, and nothing is pushed before it does, however long that takes."""
    query = f"?token={token}" if in_address else "?resume=1" if resumes else ""
    offered = None if in_address else [websockets.Subprotocol("chat4all"), websockets.Subprotocol(f"bearer.{token}")]
    options = {"subprotocols": offered, "proxy": None, "max_size": None, "close_timeout": 1, **more}
    async with websockets.connect(system.ws_url + query, open_timeout=DEADLINE, **options) as connection:
        yield Wire(connection)


async def join(person: Person, chat: str, newcomer: str) -> None:
    """Bring somebody in and wait until that has its place among the messages: it travels a way of its own."""
    answer = await person.call("POST", f"/v1/conversations/{chat}/members", json={"members": [newcomer]})
    expected(answer, 200)

    async def is_told() -> bool:
        rows = await person.history(chat, kinds="all", limit=200)
        return any(newcomer in row["added"] for row in rows if row["type"] == "members")

    await eventually(is_told, f"{newcomer} has come")


class Phone:
    """Opens wires that are closed at the end of the test."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack

    async def silent(self, system: System, person: Person, **more: Any) -> Wire:
        """A wire that has said nothing yet."""
        return await self._stack.enter_async_context(wired(system, person.token or "", **more))

    async def live(self, system: System, person: Person, **more: Any) -> Wire:
        """A wire that gets what is new from here on."""
        wire = await self.silent(system, person, **more)
        await wire.pong()
        return wire

    async def resumed(self, system: System, person: Person, cursors: Mapping[str, int], **more: Any) -> Wire:
        """A wire that has got what it lacked."""
        wire = await self.silent(system, person, **more)
        await wire.resume(cursors)
        return wire


async def metric(system: System, name: str, **labels: str) -> float:
    """A sample in /metrics; nought where it has not been counted yet."""
    text = expected(await system.stranger().call("GET", "/metrics"), 200).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert any(sample.name == name for sample in samples) or labels, f"there is no metric {name}"
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


async def eventually(condition: Callable[[], Awaitable[bool]], what: str, within: float = DEADLINE) -> None:
    """Wait for a condition. Fails after the deadline."""
    end = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)
