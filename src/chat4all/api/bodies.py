"""Bodies: of the type that the endpoint takes, and strictly JSON. What one reader takes another must not refuse.

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
from chat4all.conversations.idempotency import Asked
from chat4all.model.errors import Refusal, invalid
from chat4all.model.ids import request_hash

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
JSON: Final = ("application/json",)
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")

# What msgspec raises for bytes that are no JSON, for nesting too deep, and for a number of thousands of digits.
MALFORMED: Final = (msgspec.DecodeError, UnicodeError, RecursionError, ValueError)


def malformed(body: bytes, error: Exception) -> Refusal:
    """The refusal of a body that is no JSON; where only a lone surrogate is in the way, it names the field."""
    try:
        field = _surrogate(json.loads(body, parse_constant=_no_constant), "")
    except (ValueError, RecursionError):
        field = None
    if field is not None:
        return invalid(field or "body", "It has half of a surrogate pair, which is no character.")
    return Refusal("malformed", f"The body is not valid JSON: {str(error) or type(error).__name__}.")


def _surrogate(value: object, path: str) -> str | None:
    """The path of the first text with a lone surrogate, an entry's name counting as its object's."""
    if isinstance(value, str):
        return path if _SURROGATE.search(value) else None
    if isinstance(value, dict):
        if any(_SURROGATE.search(name) for name in value):
            return path
        inner = [(f"{path}.{name}" if path else name, one) for name, one in value.items()]
    elif isinstance(value, list):
        inner = [(f"{path}[{number}]", one) for number, one in enumerate(value)]
    else:
        return None
    return next((found for at, one in inner if (found := _surrogate(one, at)) is not None), None)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def check_type(request: Request, taken: tuple[str, ...]) -> None:
    """Raises Refusal unsupported-media-type for a body that says it is something else."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said and said not in taken:
        raise Refusal("unsupported-media-type", f"This takes {' or '.join(taken)}, not {said}.")


async def asked(request: Request, sender: str, key: str | None, *, has_body: bool = True) -> Asked:
    """Who asks for what; without a key there is nothing to compare. Raises Refusal malformed."""
    if key is None:
        return Asked(sender, None, "")
    body = await request.body() if has_body else b""
    try:
        return Asked(sender, key, request_hash(request.method, request.url.path, body))
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
    """The route class of every resource's router."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the checks of this module."""
        handle = super().get_route_handler()
        form = self.body_field is not None and isinstance(self.body_field.field_info, Form)
        taken = FORMS if form else JSON
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            if takes_body:
                check_type(request, taken)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict
