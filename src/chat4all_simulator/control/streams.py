"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

MAX_QUEUED_EVENTS: Final = 1000  # a reader who is farther behind is cut off
_KEEPALIVE_SECONDS: Final = 15.0  # after so long without an event a comment tells that the connection is alive


class Feed:
    """Events for one reader, in order. Readers who are too far behind are cut off; they connect again and look anew."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(MAX_QUEUED_EVENTS)
        self.overrun = False

    def put(self, event: Any) -> None:
        """Queue an event, or set `overrun` where the reader is too far behind."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overrun = True

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the events as bytes of the stream, until the reader is too far behind."""
        yield b": begin\n\n"
        while not self.overrun:
            try:
                async with asyncio.timeout(_KEEPALIVE_SECONDS):
                    event = await self._queue.get()
            except TimeoutError:
                yield b": alive\n\n"
            else:
                yield line(event)


async def _until(closing: asyncio.Event, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    end = asyncio.ensure_future(closing.wait())
    next_line: asyncio.Future[bytes] | None = None
    try:
        while not closing.is_set():
            next_line = asyncio.ensure_future(anext(lines))
            await asyncio.wait({end, next_line}, return_when=asyncio.FIRST_COMPLETED)
            if not next_line.done():
                return
            try:
                yield next_line.result()
            except StopAsyncIteration:
                return
    finally:
        end.cancel()
        if next_line is not None:
            next_line.cancel()


def line(event: Any, number: int | None = None) -> bytes:
    """Return the bytes of one event; `number`: its id, after which a reader goes on who lost the connection."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"data: " + msgspec.json.encode(event) + b"\n\n"


def response(request: Request, lines: AsyncIterator[bytes]) -> StreamingResponse:
    """Return an answer that ends only with the process, or when its reader is gone."""
    lines = _until(request.app.state.closing, lines)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
