"""The web app: the phones' page, the control API and its documents. Calls to providers do not come this way."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chat4all.simulator.clock import Clock
from chat4all.simulator.control import faults, log
from chat4all.simulator.faults.script import Script
from chat4all.simulator.journal import Journal
from chat4all.simulator.provider import Provider
from chat4all.simulator.telegram.phones import PhoneError

_PAGE: Final = files("chat4all.simulator") / "page"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def build(providers: Iterable[Provider], journal: Journal, script: Script, clock: Clock, hosts: list[str]) -> FastAPI:
    """`hosts`: names under which it may be called, so that no page from elsewhere can play with it."""
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

    @app.get("/control", tags=["log"])
    async def about() -> dict[str, object]:
        """The `providers` that are spoken here, the `last` entry of the log, and how far the clock is `ahead` in s."""
        return {"providers": names, "last": journal.last, "ahead": clock.ahead}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response((_PAGE / "index.html").read_bytes(), media_type="text/html", headers=_HEADERS)

    app.mount("/page", _Page(directory=str(_PAGE)))
    return app


class _Page(StaticFiles):
    def file_response(self, *args: object, **options: object) -> Response:
        """With the policy on each file."""
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers.update(_HEADERS)
        return response


async def _impossible(_: Request, error: Exception) -> JSONResponse:
    """A phone would not do it."""
    return JSONResponse({"detail": str(error)}, 409)
