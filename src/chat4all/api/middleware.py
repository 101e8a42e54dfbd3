"""What every request passes: a bound on its body, and a clock."""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat4all.api import problems
from chat4all.model.errors import Refusal
from chat4all.telemetry.metrics import Metrics

_UNKNOWN: Final = "unknown"  # one label for all paths that are no route's


class BodyLimit:
    """Refuses a body of more than `most` bytes, by what it says of itself or by what has come."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._most:
            await problems.response(self._refusal())(scope, receive, send)
            return
        came = 0

        async def bounded() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise HTTPException(413, self._refusal().detail)
            return message

        await self._app(scope, bounded, send)

    def _refusal(self) -> Refusal:
        return Refusal("too-large", f"A request may have {self._most} bytes.")


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

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", _UNKNOWN)
            method = scope["method"] if route != _UNKNOWN else _UNKNOWN
            self._metrics.http_seconds.labels(method, route, str(status)).observe(time.perf_counter() - began)
