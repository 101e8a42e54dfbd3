"""Bodies are of the type that the endpoint takes, and strict JSON: what one reader takes no other may refuse.

Python's own reader takes NaN, UTF-16 and lone surrogates; the record in the log could not hold them. So every body goes
through msgspec's (RFC 8259), and only what passes it is looked at any further.
"""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from chat4all.api.problems import RefusedError
from chat4all.conversations.idempotency import KeyedRequest
from chat4all.model.errors import Refusal, invalid
from chat4all.model.ids import request_hash

_SURROGATE_PATTERN: Final = re.compile("[\ud800-\udfff]")
JSON: Final = ("application/json",)
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")

# What msgspec raises for bytes that are not JSON, for nesting too deep, and for a number of thousands of digits.
MALFORMED: Final = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError)


def malformed(body: bytes, error: Exception) -> Refusal:
    """Return the refusal of a body that is not JSON; where only a lone surrogate is wrong, it names the field."""
    try:
        field = _surrogate_path(json.loads(body, parse_constant=_no_constant), "")
    except (ValueError, RecursionError):
        field = None
    if field is not None:
        return invalid(field or "body", "It contains half of a surrogate pair, which is not a character.")
    return Refusal("malformed", f"The body is not valid JSON: {str(error) or type(error).__name__}.")


def _surrogate_path(value: object, path: str) -> str | None:
    """Return the path of the first text with a lone surrogate; for the name of an entry it is the object's path."""
    if isinstance(value, str):
        return path if _SURROGATE_PATTERN.search(value) else None
    if isinstance(value, dict):
        if any(_SURROGATE_PATTERN.search(name) for name in value):
            return path
        inner = [(f"{path}.{name}" if path else name, one) for name, one in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[{number}]", one) for number, one in enumerate(value)]
    else:
        return None
    return next((field for at, one in inner if (field := _surrogate_path(one, at)) is not None), None)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def check_type(request: Request, media_types: tuple[str, ...]) -> None:
    """Check a body's type. Raises Refusal unsupported-media-type where the header names another than these."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and media_type not in media_types:
        raise Refusal("unsupported-media-type", f"This takes {' or '.join(media_types)}, not {media_type}.")


async def keyed_request(request: Request, sender: str, key: str | None, *, has_body: bool = True) -> KeyedRequest:
    """Return who asks for what; without a key the body is not read. Raises Refusal malformed."""
    if key is None:
        return KeyedRequest(sender, None, "")
    body = await request.body() if has_body else b""
    try:
        return KeyedRequest(sender, key, request_hash(request.method, request.url.path, body))
    except MALFORMED as error:
        raise malformed(body, error) from error


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            return msgspec.json.decode(body)
        except MALFORMED as error:
            raise RefusedError(malformed(body, error)) from error


class StrictRoute(APIRoute):
    """Is the route class of every resource's router: it checks the type of bodies, and reads them strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind the checks of this module."""
        handle = super().get_route_handler()
        form = self.body_field is not None and isinstance(self.body_field.field_info, Form)
        media_types = FORMS if form else JSON
        takes_body = self.body_field is not None

        async def handle_strictly(request: Request) -> Response:
            if takes_body:
                check_type(request, media_types)
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly
