"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import StreamingResponse

QUEUE: Final = 1000  # events that a reader may be behind before he is cut off
_PAUSE: Final = 15.0  # seconds of nothing before a comment tells that the line is alive


class Feed:
    """Events for one reader, in order. One who is too far behind is cut off; he connects again and looks anew."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        self.overrun = False

    def put(self, event: Any) -> None:
        """One more."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overrun = True

    async def lines(self) -> AsyncIterator[bytes]:
        """As they go over the line."""
        yield b": begin\n\n"
        while not self.overrun:
            try:
                async with asyncio.timeout(_PAUSE):
                    event = await self._queue.get()
            except TimeoutError:
                yield b": alive\n\n"
            else:
                yield line(event)


async def _until(closing: asyncio.Event, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    ending = asyncio.ensure_future(closing.wait())
    coming: asyncio.Future[bytes] | None = None
    try:
        while not closing.is_set():
            coming = asyncio.ensure_future(anext(lines))
            await asyncio.wait({ending, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
    finally:
        ending.cancel()
        if coming is not None:
            coming.cancel()


def line(event: Any, number: int | None = None) -> bytes:
    """One event; `number`: from which a reader goes on who lost the line."""
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"data: " + msgspec.json.encode(event) + b"\n\n"


def response(request: Request, lines: AsyncIterator[bytes]) -> StreamingResponse:
    """The answer that ends only with the process, or when its reader is gone."""
    lines = _until(request.app.state.closing, lines)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
