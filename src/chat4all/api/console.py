"""Serves the web console: `/` and files below /console/. By its policy a page can reach this server and no other."""

from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from chat4all.api.plain import PlainRoute
from chat4all.api.services import services

_FOLDER: Final = Path(__file__).resolve().parent.parent / "console"
_FILES: Final = StaticFiles(directory=_FOLDER)
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; "  # the same host includes its WebSockets (CSP 3, "scheme-part matches")
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"  # text cannot become HTML, not even by mistake
)
_HEADERS: Final = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-cache",  # revalidated each time, sent only when it changed: a new version is whole at once
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def page(request: Request) -> Response:
    """Answer with the page of the console."""
    return await _file("index.html", request)


async def file(request: Request) -> Response:
    """Answer with a module, style sheet or picture of the console. Raises HTTPException 404."""
    return await _file(request.path_params["path"], request)


async def welcome(request: Request) -> Response:
    """Answer with what the login page needs: who may register, and the demo's users where there are any."""
    return JSONResponse(services(request).welcome, headers=_HEADERS)


ROUTES: Final = [
    PlainRoute("/", page),
    PlainRoute("/console/welcome.json", welcome),
    PlainRoute("/console/{path:path}", file),
]


async def _file(path: str, request: Request) -> Response:
    try:
        response = await _FILES.get_response(path, request.scope)
    except (ValueError, OSError) as error:  # not a file name: it has a NUL in it, or is too long
        raise HTTPException(404) from error
    response.headers.update(_HEADERS)
    return response
