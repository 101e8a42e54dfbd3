"""POST /v1/messages is the hot path: a plain Starlette route with msgspec. /docs gets its schema from here too."""

import json
import re
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chat4all.accounts.tokens import Identity
from chat4all.api.bodies import JSON, MALFORMED, check_type, keyed_request, malformed
from chat4all.api.plain import PlainRoute
from chat4all.api.problems import documented
from chat4all.api.services import EndpointServices, identify, services
from chat4all.conversations.acceptance import NewMessage
from chat4all.model.channels import ALL, APP
from chat4all.model.errors import EngineUnavailableError, FieldError, Refusal, invalid
from chat4all.model.rates import Rate

# What nobody can see: the white space of Unicode, the separators that Python counts as such, and the byte order mark.
BLANK = "\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
BLANK += "\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_ESCAPED_BLANK: Final = "".join(f"\\u{ord(character):04x}" for character in BLANK)
# Only for the document: check_content, which does the checking, takes linear time.
CONTENT_PATTERN: Final = f"^[^\\u0000]*[^\\u0000{_ESCAPED_BLANK}][^\\u0000]*$"
PATH: Final = "/v1/messages"
_KEY_PATTERN: Final = re.compile(r"[!-~]{1,255}", re.ASCII)

_Channel = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]+\Z")]


class PostMessage(msgspec.Struct, frozen=True):
    """A message to a conversation of yours. `channels`: where it may go beside the app."""

    chat_id: _Id
    content: Annotated[
        str, msgspec.Meta(min_length=1, max_length=10_000, extra_json_schema={"pattern": CONTENT_PATTERN})
    ]
    channels: Annotated[tuple[_Channel, ...], msgspec.Meta(min_length=1, max_length=16)] = ("all",)
    reply_to: _Id | None = None
    file_id: None = None


class PostAnswer(msgspec.Struct, frozen=True):
    """The message is in the log and cannot be lost any more."""

    message_id: str
    status: Literal["accepted"] = "accepted"


_decoder: Final = msgspec.json.Decoder(PostMessage)
_encoder: Final = msgspec.json.Encoder()


async def post(request: Request) -> Response:
    """Accept a message: 202 means that it is durable. Raises Refusal and EngineUnavailableError."""
    began = time.perf_counter()
    uses = services(request)
    who = identify(request)
    await admit(uses, who)
    check_type(request, JSON)
    new = _decode(await request.body())
    _check_channels(uses, new.channels)
    keyed = await keyed_request(request, who.username, _key(request))
    message = NewMessage(conversation_id=new.chat_id, content=new.content, channels=new.channels, reply_to=new.reply_to)
    accepted = await uses.acceptance.post(keyed, message)
    headers = {"Idempotent-Replay": "true"} if accepted.replayed else None
    uses.metrics.accept_seconds.observe(time.perf_counter() - began)
    answer = _encoder.encode(PostAnswer(accepted.message_id))
    return Response(answer, 202, headers, "application/json")


async def admit(uses: EndpointServices, who: Identity, what: str = "post") -> None:
    """Count a request of a user. Raises Refusal too-many for one too fast; without the limits' engine, for nobody.

    `what`: names the limit, so that different things have limits of their own.
    """
    rate = Rate(uses.settings.posts_per_second, uses.settings.post_burst)
    try:
        wait = await uses.limits.take(f"{what}:{who.username}", rate)
    except EngineUnavailableError:
        return
    if wait:
        raise Refusal("too-many", "You do this faster than this server allows.", retry_after=wait)


def check_content(content: str) -> None:
    """Check a text. Raises Refusal invalid where it has NUL in it, or nothing that can be seen."""
    if "\x00" in content:
        raise invalid("content", "It contains a NUL character, which is not text.")
    if not content.strip(BLANK):
        raise invalid("content", "It is empty or blank.")


def _check_channels(uses: EndpointServices, channels: Sequence[str]) -> None:
    for i, channel in enumerate(channels):
        if channel not in (ALL, APP) and channel not in uses.channels:
            names = ", ".join((ALL, APP, *sorted(uses.channels)))
            raise invalid(f"channels[{i}]", f"There is no such channel. Possible are: {names}.")


def _decode(body: bytes) -> PostMessage:
    try:
        new = _decoder.decode(body)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").removeprefix(".") or _missing_field(text)
        raise Refusal("invalid", text, errors=(FieldError(field, text),)) from error
    except MALFORMED as error:
        raise malformed(body, error) from error
    check_content(new.content)
    return new


def _missing_field(text: str) -> str:
    """Return `chat_id` from "Object missing required field `chat_id`"; "body" from a text that names no field."""
    match = re.search(r"`(\w+)`", text)
    return match.group(1) if match and "field" in text else "body"


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY_PATTERN.fullmatch(key):
        raise invalid("Idempotency-Key", "1 to 255 visible ASCII characters.")
    return key


ROUTE: Final = PlainRoute(PATH, post, methods=["POST"])


def openapi(channels: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the operation and the schemas that it refers to, for the OpenAPI document. `channels`: those installed."""
    components = msgspec.json.schema_components([PostMessage, PostAnswer], ref_template="#/components/schemas/{name}")
    # `$` would let a line end through in Python, and `\Z` is nothing in ECMAScript, which the document is read by.
    (body, answer), schemas = json.loads(json.dumps(components).replace(r"\\Z", "$"))
    schemas["PostMessage"]["properties"]["channels"]["items"] = {"enum": [ALL, APP, *sorted(channels)]}
    refusals = documented("malformed", "unauthenticated", "not-found", "invalid", "key-reused", "too-many")
    operation = {
        "tags": ["messages"],
        "summary": "Post",
        "description": "Accept a message: 202 means that it is durable. With an Idempotency-Key it is safe to repeat.",
        "operationId": "post_message",
        "security": [{"OAuth2PasswordBearer": []}],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "description": "Names this request for ever: sent again with it, it is the same message.",
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "202": {
                "description": "Accepted",
                "headers": {"Idempotent-Replay": {"schema": {"type": "string"}, "description": "`true`: seen before"}},
                "content": {"application/json": {"schema": answer}},
            }
        }
        | {str(status): refusal for status, refusal in refusals.items()},
    }
    return operation, schemas
