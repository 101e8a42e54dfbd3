"""Every request passes this middleware: a bound on its body, and a clock."""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat4all.api import problems
from chat4all.model.errors import Refusal
from chat4all.telemetry.metrics import Metrics

_UNKNOWN_LABEL: Final = "unknown"  # one label for all paths without a route


class BodyLimit:
    """Refuses a body of more than `max_bytes`, by its Content-Length or by what has come."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_bytes:
            await problems.response(self._refusal())(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(413, self._refusal().detail)
            return message

        await self._app(scope, receive_bounded, send)

    def _refusal(self) -> Refusal:
        return Refusal("too-large", f"A request may have at most {self._max_bytes} bytes.")


class Timing:
    """Observes how long each request took, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            route = getattr(scope.get("route"), "path", _UNKNOWN_LABEL)
            method = scope["method"] if route != _UNKNOWN_LABEL else _UNKNOWN_LABEL
            self._metrics.http_seconds.labels(method, route, str(status)).observe(time.perf_counter() - began)
