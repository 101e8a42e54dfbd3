"""POST /v1/messages: the hot path, a plain Starlette route with msgspec. /docs gets its schema from here too."""

import json
import re
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from chat4all.accounts.tokens import Identity
from chat4all.api.bodies import JSON, MALFORMED, asked, check_type, malformed
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
_SEEN: Final = "".join(f"\\u{ord(character):04x}" for character in BLANK)
CONTENT_PATTERN: Final = f"^[^\\u0000]*[^\\u0000{_SEEN}][^\\u0000]*$"  # documented; check_content takes linear time
PATH: Final = "/v1/messages"
_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)

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
    """Accept a message: 202 means that it is durable."""
    began = time.perf_counter()
    uses = services(request)
    who = identify(request)
    await admit(uses, who)
    check_type(request, JSON)
    new = _decode(await request.body())
    _check_channels(uses, new.channels)
    asking = await asked(request, who.username, _key(request))
    message = NewMessage(conversation_id=new.chat_id, content=new.content, channels=new.channels, reply_to=new.reply_to)
    accepted = await uses.acceptance.post(asking, message)
    headers = {"Idempotent-Replay": "true"} if accepted.replayed else None
    uses.metrics.accept_seconds.observe(time.perf_counter() - began)
    answer = _encoder.encode(PostAnswer(accepted.message_id))
    return Response(answer, 202, headers, "application/json")


async def admit(uses: EndpointServices, who: Identity, what: str = "post") -> None:
    """Raises Refusal too-many for a user who does this too fast. Without the limits' engine, nobody is held back."""
    rate = Rate(uses.settings.posts_per_second, uses.settings.post_burst)
    try:
        wait = await uses.limits.take(f"{what}:{who.username}", rate)
    except EngineUnavailableError:
        return
    if wait:
        raise Refusal("too-many", "You do this faster than this server allows.", retry_after=wait)


def check_content(content: str) -> None:
    """Raises Refusal invalid for text with NUL in it, or without anything to see."""
    if "\x00" in content:
        raise invalid("content", "NUL characters are not text.")
    if not content.strip(BLANK):
        raise invalid("content", "There is nothing in it.")


def _check_channels(uses: EndpointServices, channels: Sequence[str]) -> None:
    for i, channel in enumerate(channels):
        if channel not in (ALL, APP) and channel not in uses.channels:
            there = ", ".join((ALL, APP, *sorted(uses.channels)))
            raise invalid(f"channels[{i}]", f"There is no such channel. There is: {there}.")


def _decode(body: bytes) -> PostMessage:
    try:
        new = _decoder.decode(body)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").removeprefix(".") or _named(text)
        raise Refusal("invalid", text, errors=(FieldError(field, text),)) from error
    except MALFORMED as error:
        raise malformed(body, error) from error
    check_content(new.content)
    return new


def _named(text: str) -> str:
    """The field in "Object missing required field `chat_id`"."""
    found = re.search(r"`(\w+)`", text)
    return found.group(1) if found and "field" in text else "body"


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid("Idempotency-Key", "1 to 255 visible ASCII characters.")
    return key


ROUTE: Final = PlainRoute(PATH, post, methods=["POST"])


def openapi(channels: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operation and the schemas that it refers to, for the OpenAPI document; `channels`: those installed."""
    made = msgspec.json.schema_components([PostMessage, PostAnswer], ref_template="#/components/schemas/{name}")
    # `$` would let a line end through in Python, and `\Z` is nothing in ECMAScript, which the document is read by.
    (body, answer), schemas = json.loads(json.dumps(made).replace(r"\\Z", "$"))
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
