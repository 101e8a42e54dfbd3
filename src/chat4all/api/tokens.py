"""POST /token gives a bearer token for a user name and password (OAuth2 password form)."""

from typing import Annotated, Literal

import pydantic
from fastapi import APIRouter, Form

from chat4all.api.bodies import StrictRoute
from chat4all.api.problems import documented
from chat4all.api.services import Uses

router = APIRouter(tags=["accounts"], route_class=StrictRoute)


class TokenAnswer(pydantic.BaseModel):
    """A token for the Authorization header."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the scheme's name


@router.post("/token", responses=documented("wrong-password", "malformed", "invalid", "too-many"))
async def log_in(
    uses: Uses,
    username: Annotated[str, Form(min_length=1, max_length=64)],
    password: Annotated[str, Form(min_length=1, max_length=256)],
    grant_type: Annotated[Literal["password"] | None, Form()] = None,
) -> TokenAnswer:
    """Log in. Tries are limited per user name."""
    _ = grant_type
    return TokenAnswer(access_token=await uses.users.log_in(username, password))
