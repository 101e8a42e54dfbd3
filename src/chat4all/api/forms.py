"""Defines the forms of values that many requests share: names, ids, pages. Their bounds are in the OpenAPI document."""

from typing import Annotated

import pydantic
from fastapi import Header, Path, Query

NO_NUL = r"^[^\x00]*$"
VISIBLE = r"^[!-~]+$"

Username = Annotated[
    str,
    pydantic.StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\z"),
    pydantic.WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-z0-9][a-z0-9._-]{0,63}$"}
    ),
]
Seq = Annotated[int, pydantic.Field(ge=0, le=2**53)]

ConversationId = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A conversation's id.")]
MessageId = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A message's id.")]
UsernamePath = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A user name.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Entries on a page, at most.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=VISIBLE,
        description="Names this request for ever: sent again with it, it is the same request and done once.",
    ),
]
