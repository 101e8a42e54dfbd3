"""The web app: the phones' page, the control API and its documents. Calls to providers do not come this way."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat4all_simulator.clock import Clock
from chat4all_simulator.control import faults, log
from chat4all_simulator.faults.script import Script
from chat4all_simulator.journal import Journal
from chat4all_simulator.provider import Provider
from chat4all_simulator.telegram.phones import PhoneError

_PAGE_FOLDER: Final = files("chat4all_simulator") / "page"
_CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_MAX_BODY_BYTES: Final = 1 << 20
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def build(providers: Iterable[Provider], journal: Journal, script: Script, clock: Clock, hosts: list[str]) -> FastAPI:
    """Build the web app. `hosts`: names under which it may be called, so that no foreign page can play with it."""
    app = FastAPIOffline(
        title="Chat4All simulator",
        description="Fake phones and providers that misbehave on demand. See docs/simulator.md.",
        openapi_url="/control/openapi.json",
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.include_router(log.router(journal), prefix="/control")
    app.include_router(faults.router(script, clock, journal), prefix="/control")
    names = []
    for provider in providers:
        app.include_router(provider.control, prefix=f"/control/{provider.name}")
        names.append(provider.name)
    app.exception_handler(PhoneError)(_impossible)
    app.exception_handler(UnicodeEncodeError)(_unreadable)
    app.exception_handler(RequestValidationError)(_invalid)
    app.add_middleware(_Bounded)
    app.add_middleware(_Witnessed, journal)

    @app.get("/control", tags=["log"])
    async def about() -> dict[str, object]:
        """The `providers` that are spoken here, the `last` entry of the log, and how far the clock is `ahead` in s."""
        return {"providers": names, "last": journal.last, "ahead": clock.ahead}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response((_PAGE_FOLDER / "index.html").read_bytes(), media_type="text/html", headers=_PAGE_HEADERS)

    app.mount("/page", _Page(directory=str(_PAGE_FOLDER)))
    return app


class _Page(StaticFiles):
    def file_response(self, *args: object, **options: object) -> Response:
        """Return a file of the page with its security headers."""
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers.update(_PAGE_HEADERS)
        return response


class _Bounded:
    """Refuses bodies longer than anything that can be said here before they are read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        length = headers.get(b"content-length", b"0")
        if scope["type"] == "http" and (
            b"transfer-encoding" in headers or not length.isdigit() or int(length) > _MAX_BODY_BYTES
        ):
            answer = JSONResponse({"detail": f"Send at most {_MAX_BODY_BYTES} bytes, with a Content-Length."}, 413)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


class _Witnessed:
    """Lets no answer leave before what it follows from is in the log."""

    def __init__(self, app: ASGIApp, journal: Journal) -> None:
        self._app = app
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_logged(message: Message) -> None:
            self._journal.flush()
            await send(message)

        await self._app(scope, receive, send_logged)


async def _unreadable(_: Request, __: Exception) -> JSONResponse:
    """Answer 422 to a body with half of a surrogate pair, which is no text."""
    return JSONResponse({"detail": "A text in the body is not valid UTF-8."}, 422)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Answer 422 as FastAPI does, without saying again what was sent."""
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    details = [{"loc": list(map(str, one["loc"])), "msg": one["msg"], "type": one["type"]} for one in errors[:20]]
    return JSONResponse({"detail": details}, 422)


async def _impossible(_: Request, error: Exception) -> JSONResponse:
    """Answer 409 where a phone would not let its owner do something."""
    return JSONResponse({"detail": str(error)}, 409)
