"""Providers post to /hooks/<channel>/<uid of the connector>, which is not part of the public API or its document."""

from typing import Annotated, Final

from fastapi import APIRouter, FastAPI, Path, Request, Response

from chat4all.api import problems
from chat4all.api.middleware import BodyLimit
from chat4all.api.services import Hooks

_MAX_BODY_BYTES: Final = 1 << 20  # no provider posts more at once

router = APIRouter(prefix="/hooks", include_in_schema=False)


@router.post("/{channel}/{uid}")
async def receive(
    channel: Annotated[str, Path(max_length=32)],
    uid: Annotated[str, Path(max_length=64)],
    request: Request,
) -> Response:
    """What a provider tells is in the log when it gets its 200; else it will tell it again."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    hooks: Hooks = request.app.state.hooks
    await hooks(channel, uid, headers, await request.body())
    return Response(status_code=200)


def create(hooks: Hooks) -> FastAPI:
    """Return the application of a process that has no other one: a connector's."""
    app = FastAPI(openapi_url=None)
    app.state.hooks = hooks
    app.include_router(router)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=_MAX_BODY_BYTES)
    return app
