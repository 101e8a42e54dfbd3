"""/v1/presence shows who is online, and takes heartbeats."""

from typing import Literal

import pydantic
from fastapi import APIRouter

from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import UsernamePath
from chat4all.api.problems import documented
from chat4all.api.services import Uses, Who
from chat4all.directory.port import Role
from chat4all.model.errors import Refusal
from chat4all.model.rows import iso
from chat4all.realtime.port import Status

router = APIRouter(prefix="/v1/presence", tags=["presence"], route_class=StrictRoute)


class Heartbeat(pydantic.BaseModel):
    """How present you are on this device; it counts for 90 seconds."""

    status: Status = Status.ONLINE


class HeartbeatAnswer(pydantic.BaseModel):
    """It is noted."""

    status: Literal["updated"] = "updated"


class PresenceAnswer(pydantic.BaseModel):
    """Offline only when the last device is."""

    username: str
    status: Status
    last_seen: str | None


@router.post("/heartbeat", responses=documented("unauthenticated", "malformed", "invalid"))
async def heartbeat(uses: Uses, who: Who, beat: Heartbeat) -> HeartbeatAnswer:
    """Say that you are here. A device is known by its token; an open WebSocket needs no heartbeat."""
    await uses.presence.beat(who.username, f"token:{who.token_id}", beat.status)
    return HeartbeatAnswer()


@router.get("/{username}", responses=documented("unauthenticated", "not-found", "invalid"))
async def show(uses: Uses, who: Who, username: UsernamePath) -> PresenceAnswer:
    """Whether someone is here: someone you share a conversation with; agents and admins see everyone."""
    allowed = who.role in (Role.AGENT, Role.ADMIN) or await uses.presence.knows(who.username, username)
    if not allowed or await uses.directory.user(username) is None:
        raise Refusal("not-found", "There is no such user, or you share no conversation.")
    present = await uses.presence.of(username)
    last_seen = None if present.last_seen is None else iso(present.last_seen)
    return PresenceAnswer(username=username, status=present.status, last_seen=last_seen)
