"""The story that the demo tells: two people, real requests, and a server that is killed in the middle."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import websockets

from chat4all.client import DEMO_PASSWORD, Client, Frame, Socket
from chat4all_devtools.server import Running

T = TypeVar("T")

_SEEN_SECONDS: Final = 10.0  # in which anything that is to be seen must be seen
_QUIET_SECONDS: Final = 0.3  # in which nothing must come
_MAX_TRIES: Final = 20  # the kill must land between a 202 and its delivery: a race, run until it is won


class UnseenError(Exception):
    """Something that should have been seen was not, or something was that should not."""


class Timeline(NamedTuple):
    """A message's id, and what happened to it."""

    message: str
    events: list[dict[str, Any]]


class Teller(Protocol):
    """Tells of a step that was seen."""

    def __call__(self, step: str, timeline: Timeline | None = None) -> None: ...


class Story:
    """The story of two people; it can be told once."""

    def __init__(self, server: Running, teller: Teller) -> None:
        self._server = server
        self._step = teller
        self._ana = Client(server.url, "ana", DEMO_PASSWORD)
        self._bruno = Client(server.url, "bruno", DEMO_PASSWORD)
        self._stack = contextlib.AsyncExitStack()
        self._chat = ""
        self._seen: dict[str, int] = {}  # bruno's cursor

    async def tell(self) -> None:
        """Every step in turn. Raises UnseenError, AnswerError, TimeoutError."""
        began = time.monotonic()
        await asyncio.to_thread(self._server.start)
        self._step(f"the system runs at {self._server.url}, {self._server.about}")
        async with self._ana, self._bruno, self._stack:
            await self._meet()
            ana, bruno = await self._connect(self._ana), await self._connect(self._bruno)
            self._step("both open WebSockets")
            await self._talk(bruno)
            await self._repeat(bruno)
            bruno = await self._come_back(bruno)
            await self._change_mind(bruno)
            await self._read(ana, bruno)
            message = await self._survive(bruno)
            await self._trace(message)
        self._step(f"Finished in {time.monotonic() - began:.1f} s")

    async def _meet(self) -> None:
        for client in (self._ana, self._bruno):
            token = await client.token()
            self._step(f"{client.username} gets a token ({len(token)} characters)")
        self._chat = await self._ana.conversation_with("bruno")
        self._step(f"ana and bruno get conversation {self._chat}")

    async def _connect(self, client: Client) -> Socket:
        socket = await self._stack.enter_async_context(client.listening())
        cursors = self._seen if client is self._bruno else {}
        await socket.say({"type": "resume", "cursors": cursors})
        return socket

    async def _talk(self, bruno: Socket) -> None:
        await self._until(bruno, "resume")
        for text in ("Olá, Bruno! Já chegou o seu pedido.", "مرحبا، كيف حالك؟", "🎉👩‍👩‍👧‍👦🇧🇷"):
            began = time.perf_counter()
            await self._ana.post(self._chat, text)
            frame = await self._next_message(bruno)
            self._check(frame["content"] == text, f"bruno saw {frame['content']!r}")
            self._step(
                f"ana posts “{text}”: bruno sees it {1000 * (time.perf_counter() - began):.0f} ms after the post"
            )

    async def _repeat(self, bruno: Socket) -> None:
        first = await self._ana.post(self._chat, "Só uma vez.", key="story-1")
        second = await self._ana.post(self._chat, "Só uma vez.", key="story-1")
        self._check(first == second, "the repeated post has another id")
        frame = await self._next_message(bruno)
        self._check(frame["message_id"] == first, "bruno saw something else")
        await self._quiet(bruno)
        self._step("ana repeats a post with its Idempotency-Key: the same id, and bruno sees it once")

    async def _come_back(self, bruno: Socket) -> Socket:
        bruno.cut()
        self._step("bruno's connection is cut")
        texts = ["Está aí?", "Caiu a ligação?", "Eu espero."]
        for text in texts:
            await self._ana.post(self._chat, text)
        await self._settled(texts[-1])
        bruno = await self._connect(self._bruno)
        frames = await self._until(bruno, "resume")
        got = [frame["content"] for frame in frames if frame["type"] == "message"]
        self._check(got == texts, f"bruno got {got}")
        await self._quiet(bruno)
        self._step(f"ana writes three more; bruno resumes and gets exactly those: {', '.join(got)}")
        return bruno

    async def _change_mind(self, bruno: Socket) -> None:
        history = await self._history()
        changed, gone = history[0], history[1]
        await self._ana.call("PATCH", f"/v1/messages/{changed['message_id']}", {"content": "Olá! Chega amanhã."})
        edit = await self._hear(bruno, "edit")
        self._check(edit["content"] == "Olá! Chega amanhã." and edit["message_id"] == changed["message_id"], str(edit))
        await self._ana.call("DELETE", f"/v1/messages/{gone['message_id']}")
        delete = await self._hear(bruno, "delete")
        self._check(delete["message_id"] == gone["message_id"], str(delete))
        history = await self._history()
        self._check(history[0]["content"] == "Olá! Chega amanhã." and history[1]["content"] == "", "history is old")
        self._step("ana edits one message and deletes another: bruno sees both, and history has changed")

    async def _read(self, ana: Socket, bruno: Socket) -> None:
        last = (await self._history())[-1]
        await bruno.say({"type": "read", "conversation_id": self._chat, "seq": self._seen[self._chat]})
        while True:
            receipt = await self._hear(ana, "receipt")
            if receipt["user_id"] == "bruno" and receipt["read_seq"] >= last["seq"]:
                break
        status = (await self._ana.call("GET", f"/v1/messages/{last['message_id']}")).json()["status"]
        self._check(status == "read", f"the status is {status}")
        self._step("bruno reads: ana sees it read")

    async def _survive(self, bruno: Socket) -> str:
        """Kill the server between a 202 and its delivery. Where delivery was quicker than the kill, try again."""
        for turn in range(1, _MAX_TRIES + 1):
            body = {"chat_id": self._chat, "content": f"Isto não se perde ({turn})."}
            token = await self._ana.token()
            message = await asyncio.to_thread(self._server.post_and_kill, token, body)
            early = await self._rest(bruno)
            await asyncio.to_thread(self._server.start)
            bruno = await self._connect(self._bruno)
            late = [frame for frame in await self._until(bruno, "resume") if frame["type"] == "message"]
            late += await self._pending(bruno, message if not early and not late else None)
            got = [frame["message_id"] for frame in (*early, *late)]
            self._check(message is None or got == [message], f"bruno got {got} of {message}")
            await self._quiet(bruno)
            if message and not early:
                self._step(
                    f"the server is killed (SIGKILL) between the 202 and its delivery and started again: "
                    f"the message arrives, once{'' if turn == 1 else f' (kill no. {turn} was quick enough)'}"
                )
                return message
        raise UnseenError(f"in {_MAX_TRIES} kills, delivery was always quicker")

    async def _trace(self, message: str) -> None:
        last = self._seen[self._chat]
        async with self._bruno.listening() as bruno:
            await bruno.say({"type": "resume", "cursors": self._seen})
            await bruno.say({"type": "ack", "conversation_id": self._chat, "seq": last})
            await bruno.say({"type": "read", "conversation_id": self._chat, "seq": last})
            events = await self._timeline(message)
        self._step("the timeline of one message, from accepted to read", Timeline(message, events))

    async def _timeline(self, message: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + _SEEN_SECONDS
        while time.monotonic() < deadline:
            events: list[dict[str, Any]] = (await self._ana.call("GET", f"/v1/messages/{message}/timeline")).json()
            if {event["what"] for event in events} >= {"accepted", "delivered", "read"}:
                return events
            await asyncio.sleep(0.05)
        raise UnseenError(f"the timeline stays at {events}")

    async def _history(self) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = (await self._ana.call("GET", f"/v1/conversations/{self._chat}/messages")).json()
        return page

    async def _settled(self, text: str) -> None:
        """Until the history ends with this."""
        deadline = time.monotonic() + _SEEN_SECONDS
        while not (page := await self._history()) or page[-1]["content"] != text:
            self._check(time.monotonic() < deadline, f"{text!r} was not stored in time")
            await asyncio.sleep(0.02)

    async def _hear(self, socket: Socket, kind: str) -> Frame:
        """The next frame of this kind; what has a seq moves bruno's cursor."""
        return (await self._until(socket, kind))[-1]

    async def _next_message(self, bruno: Socket) -> Frame:
        return await self._hear(bruno, "message")

    async def _until(self, socket: Socket, kind: str) -> list[Frame]:
        return await self._in_time(self._collect(socket, kind))

    async def _collect(self, socket: Socket, kind: str) -> list[Frame]:
        frames: list[Frame] = []
        while not frames or frames[-1]["type"] != kind:
            frames.append(await socket.hear())
            if frames[-1].get("to_user") == "bruno":
                self._note(frames[-1])
        return frames

    async def _pending(self, bruno: Socket, message: str | None) -> list[Frame]:
        """The message, if the resume was quicker than the router after the restart."""
        return [] if message is None else [await self._next_message(bruno)]

    async def _rest(self, bruno: Socket) -> list[Frame]:
        """What still comes out of a connection whose server was killed."""
        frames: list[Frame] = []
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                frames.append(await self._in_time(bruno.hear()))
                self._note(frames[-1])
        return [frame for frame in frames if frame["type"] == "message"]

    async def _quiet(self, socket: Socket) -> None:
        """See that no second copy of a message comes."""
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                frame = await self._collect(socket, "message")
        except TimeoutError:
            return
        raise UnseenError(f"one too many: {frame}")

    def _note(self, frame: Frame) -> None:
        if "seq" in frame:
            expected = self._seen.get(frame["conversation_id"], 0) + 1
            self._check(frame["seq"] == expected, f"seq {frame['seq']} came where {expected} was next")
            self._seen[frame["conversation_id"]] = frame["seq"]

    async def _in_time(self, wanted: Awaitable[T]) -> T:
        async with asyncio.timeout(_SEEN_SECONDS):
            return await wanted

    def _check(self, right: bool, otherwise: str) -> None:
        if not right:
            raise UnseenError(otherwise)
