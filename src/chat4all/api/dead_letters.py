"""/v1/dead-letters shows admins what could not be read of the log, and puts it back."""

from typing import Annotated, Literal

import pydantic
from fastapi import APIRouter, Path, Query, Request, Response

from chat4all.accounts.tokens import Identity
from chat4all.api import pages
from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import Limit
from chat4all.api.problems import documented
from chat4all.api.services import Uses, Who
from chat4all.conversations.dead_letters import DeadLetter
from chat4all.directory.port import Role
from chat4all.model.errors import Refusal
from chat4all.model.rows import iso

router = APIRouter(prefix="/v1/dead-letters", tags=["operations"], route_class=StrictRoute)

_MAX_LISTED_CHARACTERS = 200  # of each value; GET of one dead letter has all of it
_Number = Annotated[int, Path(ge=0, le=2**53, description="A dead letter's number.")]
_After = Annotated[int, Query(ge=-1, le=2**53, description="The last number of the page before.")]


class DeadLetterAnswer(pydantic.BaseModel):
    """An entry of the log that is none of what belongs there: where it stood, what it holds, and what is wrong."""

    number: int
    at: str
    topic: str
    partition: int
    offset: int
    key: str
    value: str
    reason: str


class Replayed(pydantic.BaseModel):
    """It is back in its topic."""

    status: Literal["replayed"] = "replayed"


@router.get("", responses=documented("unauthenticated", "forbidden", "invalid"))
async def list_letters(
    uses: Uses, who: Who, request: Request, response: Response, after: _After = -1, limit: Limit = 50
) -> list[DeadLetterAnswer]:
    """Dead letters, the oldest first, with the beginning of what they hold."""
    _check(who)
    letters = await uses.dead_letters.page(after=after, limit=limit)
    if len(letters) == limit:
        pages.link(request, response, after=letters[-1].number)
    return [_answer(one, _MAX_LISTED_CHARACTERS) for one in letters]


@router.get("/{number}", responses=documented("unauthenticated", "forbidden", "not-found", "invalid"))
async def show(uses: Uses, who: Who, number: _Number) -> DeadLetterAnswer:
    """One of them, whole."""
    _check(who)
    return _answer(await uses.dead_letters.one(number), None)


@router.post(
    "/{number}/replay", responses=documented("unauthenticated", "forbidden", "not-found", "conflict", "invalid")
)
async def replay(uses: Uses, who: Who, number: _Number) -> Replayed:
    """Put it back where it came from, if it can be read by now. Safe to repeat."""
    _check(who)
    await uses.dead_letters.replay(number)
    return Replayed()


def _check(who: Identity) -> None:
    if who.role is not Role.ADMIN:
        raise Refusal("forbidden", "Only admins see dead letters.")


def _answer(letter: DeadLetter, max_characters: int | None) -> DeadLetterAnswer:
    return DeadLetterAnswer(
        number=letter.number,
        at=iso(letter.at),
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        key=letter.key.decode("utf-8", "replace"),
        value=letter.value.decode("utf-8", "replace")[:max_characters],
        reason=letter.reason,
    )
