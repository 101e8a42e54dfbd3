"""/v1/users creates, changes and finds users: people and programs."""

from typing import Annotated

import pydantic
from fastapi import APIRouter, Query, Request, Response

from chat4all.api import pages
from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import NO_NUL, Limit, Username, UsernamePath
from chat4all.api.problems import documented
from chat4all.api.services import MaybeWho, Uses, Who
from chat4all.directory.port import Role, User

router = APIRouter(prefix="/v1/users", tags=["accounts"], route_class=StrictRoute)

_Email = Annotated[str, pydantic.StringConstraints(min_length=3, max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$")]
_Password = Annotated[str, pydantic.StringConstraints(min_length=8, max_length=256, pattern=NO_NUL)]


class NewUser(pydantic.BaseModel):
    """`role`: other than `user` only by an admin."""

    username: Username
    password: _Password
    email: _Email | None = None
    role: Role = Role.USER


class UserChange(pydantic.BaseModel):
    """What is left out stays."""

    role: Role | None = None
    password: _Password | None = None


class UserAnswer(pydantic.BaseModel):
    """A user; their address only for themselves and admins."""

    username: str
    email: str | None
    role: Role


@router.post(
    "", status_code=201, responses=documented("unauthenticated", "forbidden", "conflict", "malformed", "invalid")
)
async def register(uses: Uses, who: MaybeWho, new: NewUser) -> UserAnswer:
    """Make a user: anyone where registration is open, else an admin."""
    user = User(username=new.username, email=new.email, role=new.role)
    return _answer(await uses.users.register(who, user, new.password))


@router.get("", responses=documented("unauthenticated", "invalid"))
async def find(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    q: Annotated[str, Query(max_length=64, pattern=NO_NUL, description="The beginning of a name.")] = "",
    after: Annotated[str, Query(max_length=64, pattern=NO_NUL, description="The last name of the page before.")] = "",
    limit: Limit = 50,
) -> list[UserAnswer]:
    """Find people: agents and admins by the beginning of the name, others by the whole name."""
    users = await uses.users.find(who, q, after=after, limit=limit)
    if len(users) == limit:
        pages.link(request, response, after=users[-1].username)
    return [_answer(user, private=who.role is Role.ADMIN or user.username == who.username) for user in users]


@router.patch("/{username}", responses=documented("unauthenticated", "forbidden", "not-found", "malformed", "invalid"))
async def change(uses: Uses, who: Who, username: UsernamePath, new: UserChange) -> UserAnswer:
    """Change a user's role or password; admins only. It holds from the user's next login on."""
    return _answer(await uses.users.change(who, username, new.role, new.password))


def _answer(user: User, *, private: bool = True) -> UserAnswer:
    return UserAnswer(username=user.username, email=user.email if private else None, role=user.role)
