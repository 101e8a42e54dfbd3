"""Where providers post: /hooks/<channel>/<uid of the connector>. Not of the public API, and in no document of it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from chat4all.api.services import Uses

router = APIRouter(prefix="/hooks", include_in_schema=False)


@router.post("/{channel}/{uid}")
async def receive(
    channel: Annotated[str, Path(max_length=32)],
    uid: Annotated[str, Path(max_length=64)],
    request: Request,
    services: Uses,
) -> Response:
    """What a provider tells is in the log when it gets its 200; else it will tell it again."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    await services.hooks(channel, uid, headers, await request.body())
    return Response(status_code=200)
