"""A client's connection: requests to providers are answered straight on the transport, the rest by the web app.

Cutting a connection in the middle of an answer, or leaving it half open, needs the transport, which no ASGI server
hands out; and without a task per request a core answers several times as many. So this extends uvicorn's own protocol,
which reads HTTP with httptools, and takes the requests whose path is a provider's before uvicorn makes a task of them:
https://github.com/encode/uvicorn/blob/main/uvicorn/protocols/http/httptools_impl.py
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chat4all_simulator.http.exchange import Answer, Desk, Request

_MAX_HEADER_BYTES: Final = 256 * 1024
MAX_BODY_BYTES: Final = 50 * 1024 * 1024  # the limit of an upload that the documentation gives

_log = logging.getLogger(__name__)

_connection_numbers = itertools.count(1)
_STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class Connection(HttpToolsProtocol):
    """One client's connection. `run` tells this start of the process from others, so that ids are unique in the log."""

    def __init__(self, desk: Desk, run: str, /, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._desk = desk
        self._id = f"{run}.{next(_connection_numbers)}"
        self._request: Request | None = None  # the one that is being read, if it is a provider's
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None  # the answer that is waited for
        self._silent = False  # a fault left the connection half open
        self._served = False  # a request to a provider has come on it

    def data_received(self, data: bytes) -> None:
        """Implements `asyncio.Protocol.data_received`."""
        if not self._silent:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Implements the callback of `httptools.HttpRequestParser`."""
        if not self._desk.serves(self.url):
            if self._task is not None:  # pipelined behind a provider's request that waits: no client does this
                self.transport.close()
                return
            super().on_headers_complete()
            return
        version, verb = self.parser.get_http_version(), self.parser.get_method().decode("ascii")
        keep = version != "1.0" and self.parser.should_keep_alive()
        self._request = Request(self._id, verb, self.url, self.headers, keep_alive=keep)
        if version not in {"1.0", "1.1"}:
            self._request.wrong = 505
        elif sum(len(name) + len(value) for name, value in self.headers) > _MAX_HEADER_BYTES:
            self._request.wrong = 431
        if self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Implements the callback of `httptools.HttpRequestParser`; a body that is too large is thrown away."""
        request = self._request
        if request is None:
            super().on_body(body)
        elif len(request.body) + len(body) > MAX_BODY_BYTES:
            request.too_large = True
        else:
            request.body += body

    def on_message_complete(self) -> None:
        """Implements the callback of `httptools.HttpRequestParser`."""
        if self._request is None:
            super().on_message_complete()
            return
        self._waiting.append(self._request)
        self._request = None
        if self._task is not None:
            self.flow.pause_reading()
        self._served = True
        self._serve()

    def on_response_complete(self) -> None:
        """Serve what waited while the web app answered."""
        super().on_response_complete()
        self._serve()

    def connection_lost(self, exc: Exception | None) -> None:
        """Implements `asyncio.Protocol.connection_lost`."""
        if self._task is not None:
            self._task.cancel()
        if self._served:
            self._desk.left(self._id)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close a connection whose answer is waited for or withheld at once: the process stops."""
        if self._task is not None or self._silent:
            self.transport.close()
        super().shutdown()

    def pause_writing(self) -> None:
        """Read no more requests while the client does not read its answers."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Implements `asyncio.Protocol.resume_writing`."""
        super().resume_writing()
        self.flow.resume_reading()

    def _serve(self) -> None:
        """Answer the requests that wait, in order, up to the first that cannot be answered at once."""
        while self._waiting and self._task is None and not self._silent and not self.transport.is_closing():
            if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
                return
            request = self._waiting.popleft()
            try:
                answer = self._desk.handle(request)
            except Exception:  # noqa: BLE001 - else httptools would take it for a request that cannot be read
                self._fail()
                return
            if isinstance(answer, Answer) and answer.manner is None:
                self._send(answer, request)
            else:
                self._task = self.loop.create_task(self._finish(answer, request))
                if self._waiting:
                    self.flow.pause_reading()

    async def _finish(self, result: Answer | Awaitable[Answer], request: Request) -> None:
        try:
            answer = result if isinstance(result, Answer) else await result
        except Exception:  # noqa: BLE001 - whatever it is, the connection is cut and the log says why
            self._fail()
            return
        manner = answer.manner
        if manner is not None and manner.held is not None:
            await manner.held
        if manner is not None and manner.after:
            self._desk.flush()
            await asyncio.sleep(manner.after)
        self._task = None
        self._send(answer, request)
        self.flow.resume_reading()
        self._serve()

    def _fail(self) -> None:
        _log.exception("A request on connection %s could not be answered", self._id)
        self.transport.abort()

    def _send(self, answer: Answer, request: Request) -> None:
        try:
            self._desk.flush()
        except Exception:  # noqa: BLE001 - nothing leaves that is not in the log
            self._fail()
            return
        manner = answer.manner
        if manner is not None and manner.silent:
            self._silent = True  # what comes is read and thrown away, so that its end is seen
            return
        data = _serialized(answer, request)
        if manner is not None and manner.cut_at is not None:
            self.transport.write(data[: manner.cut_at])
            # Closing lets the part of the answer get out, which aborting does not; with nothing to send, it is a reset.
            self.transport.close() if manner.cut_at else self.transport.abort()
            return
        self.transport.write(data)
        if not request.keep_alive:
            self.transport.close()


def _serialized(answer: Answer, request: Request) -> bytes:
    body = answer.body
    headers = b"".join(b"%b: %b\r\n" % header for header in answer.headers)
    if not request.keep_alive:
        headers += b"Connection: close\r\n"
    head = b"%bContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (
        _STATUS_LINES.get(answer.status) or b"HTTP/1.1 %d \r\n" % answer.status,
        answer.kind,
        len(body),
        headers,
    )
    return head if request.verb == "HEAD" else head + body
