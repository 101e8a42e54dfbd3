"""The load client: posts over keep-alive connections, with requests that were made beforehand."""

import asyncio
import contextlib
import gc
import itertools
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final

from bench.measurement import FaultError
from bench.tally import Tally

_ACCEPTED: Final = 202
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
_LENGTH_TOO: Final = b"Content-Length: "


def request(port: int, token: str, conversation_id: str, content: str) -> bytes:
    """A whole POST /v1/messages."""
    body = json.dumps({"chat_id": conversation_id, "content": content}).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def content(number: int, size: int = 200) -> str:
    """`size` bytes of text that begin with the number."""
    return f"{number:07d} ".ljust(size, "x")


class Poster(asyncio.Protocol):
    """One connection. `answered` is called with the seconds and the body of each answer with the status that is wanted;
    anything else is a fault."""

    def __init__(self, answered: "Callable[[Poster, float, bytes], None]", status: int) -> None:
        self._answered = answered
        self._wanted = b"HTTP/1.1 %d" % status
        self._posted: deque[float] = deque()
        self._buffer = b""
        self._closing = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # of a TCP connection

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            raise FaultError(f"a connection for posts was lost: {exc}")

    def post(self, request: bytes) -> float:
        """Send it now, whether answers are outstanding or not. Returns when, on time.perf_counter."""
        if self._transport is None:
            raise FaultError("a post before its connection was open")
        now = time.perf_counter()
        self._posted.append(now)
        self._transport.write(request)
        return now

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        while (body := self._take()) is not None:
            self._answered(self, now - self._posted.popleft(), body)

    def _take(self) -> bytes | None:
        """The body of the first whole answer."""
        head_end = self._buffer.find(_HEAD_END)
        length_at = self._buffer.find(_LENGTH, 0, head_end)
        if length_at < 0:
            length_at = self._buffer.find(_LENGTH_TOO, 0, head_end)
        if head_end < 0 or length_at < 0:
            return None
        start = head_end + len(_HEAD_END)
        length = int(self._buffer[length_at + len(_LENGTH) : self._buffer.find(b"\r", length_at)])
        if len(self._buffer) < start + length:
            return None
        answer, self._buffer = self._buffer[: start + length], self._buffer[start + length :]
        if not answer.startswith(self._wanted):
            raise FaultError(f"a post was not accepted: {answer.decode(errors='replace')}")
        return answer[start:]


class Crowd:
    """Several connections to one server; keeps how long each post took, and each answer's body.

    `status`: what every answer has to have.
    """

    def __init__(self, status: int = 202) -> None:
        self.seconds: list[float] = []
        self.bodies: list[bytes] = []
        self._status = status
        self._posters: list[Poster] = []
        self._turns: Iterator[Poster] = iter(())
        self._waiting: Iterator[bytes] = iter(())
        self._answers = Tally(0, "posts answered")

    async def open(self, port: int, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, poster = await loop.create_connection(lambda: Poster(self._answered, self._status), "127.0.0.1", port)
            self._posters.append(poster)
        self._turns = itertools.cycle(self._posters)

    def close(self) -> None:
        for poster in self._posters:
            poster.close()

    def expect(self, count: int) -> None:
        """Forget what was; so many posts will come."""
        self.seconds.clear()
        self.bodies.clear()
        self._answers = Tally(count, "posts answered")

    def post(self, request: bytes) -> float:
        """Open loop: send it now, on the next connection in turn. Returns when, on time.perf_counter."""
        return next(self._turns).post(request)

    async def post_all(self, requests: Iterable[bytes], count: int, seconds: float) -> tuple[float, float]:
        """Closed loop: each connection posts, waits for the answer, and posts again, within `seconds` for all.

        Returns when the first was posted, on time.perf_counter, and how many seconds all took.
        """
        self.expect(count)
        self._waiting = itertools.islice(requests, count)
        began = time.perf_counter()
        for poster, request in zip(self._posters, self._waiting, strict=False):
            poster.post(request)
        await self._answers.full(seconds)
        return began, self._answers.full_at - began

    async def all_answered(self, seconds: float) -> None:
        """Wait for all that were expected, and hold that each accepted has an id of its own. Raises FaultError."""
        await self._answers.full(seconds)
        if self._status == _ACCEPTED:
            self.check_ids()

    def check_ids(self) -> None:
        """Raises FaultError if two posts got the same id."""
        ids = {json.loads(body)["message_id"] for body in self.bodies}
        if len(ids) != len(self.bodies):
            raise FaultError(f"{len(self.bodies)} posts were accepted under {len(ids)} ids")

    def _answered(self, poster: Poster, seconds: float, body: bytes) -> None:
        self.seconds.append(seconds)
        self.bodies.append(body)
        self._answers.add()
        if (request := next(self._waiting, None)) is not None:
            poster.post(request)


@contextlib.asynccontextmanager
async def crowd(port: int, connections: int, status: int = 202) -> AsyncIterator[Crowd]:
    """A crowd with its connections open."""
    made = Crowd(status)
    try:
        await made.open(port, connections)
        yield made
    finally:
        made.close()


class Effort:
    """`share`: how much of its core the load client used. Near one, it held the server back."""

    share = 0.0


@contextlib.contextmanager
def undisturbed() -> Iterator[Effort]:
    """The load client collects no garbage: its pauses would count as the server's. The effort is known at the end."""
    gc.collect()
    gc.disable()
    effort = Effort()
    began, used = time.perf_counter(), time.process_time()
    try:
        yield effort
    finally:
        effort.share = (time.process_time() - used) / (time.perf_counter() - began)
        gc.enable()
