"""/v1/channels lists what is installed; /v1/connectors lists what runs, and how it is."""

from typing import Any

import msgspec
import pydantic
from fastapi import APIRouter

from chat4all.api.bodies import StrictRoute
from chat4all.api.problems import documented
from chat4all.api.services import Uses, Who
from chat4all.directory.channels import ConnectorRow

router = APIRouter(prefix="/v1", tags=["channels"], route_class=StrictRoute)


class ChannelAnswer(pydantic.BaseModel):
    """An installed channel and what it can do. `max_text`: of one message, in `unit`; longer ones go in parts.

    `receipts`: what it reports beside sent. `identifier`: a regular expression of how people are called there.
    """

    name: str
    title: str
    max_text: int
    unit: str
    edits: bool
    deletes: bool
    quotes: bool
    receipts: list[str]
    identifier: str
    identifier_hint: str


class ConnectorAnswer(pydantic.BaseModel):
    """A connector and what it last told of itself.

    `state`: what is wanted; `mode`: how what people write comes; `registered`: the provider gives it to us;
    `limited`: chats that wait because the provider asked for it; `queue`: records that wait; `problem`: a sentence.
    """

    uid: str
    id: str
    channel: str
    state: str
    managed_by: str
    account: str | None
    mode: str | None
    registered: bool
    limited: int
    queue: int
    problem: str | None
    unsupported: dict[str, int]
    told_at: str | None


@router.get("/channels", responses=documented("unauthenticated"))
async def channels(uses: Uses, _: Who) -> list[ChannelAnswer]:
    """The channels that are installed here, and what each can do."""
    return [ChannelAnswer(**msgspec.to_builtins(one)) for _, one in sorted(uses.channels.items())]


@router.get("/connectors", responses=documented("unauthenticated", "forbidden"))
async def connectors(uses: Uses, who: Who) -> list[ConnectorAnswer]:
    """Every connector with its health; for agents and admins."""
    return [_answer(one) for one in await uses.links.connectors(who)]


def _answer(connector: ConnectorRow) -> ConnectorAnswer:
    status: dict[str, Any] = dict(connector.status)
    return ConnectorAnswer(
        uid=connector.uid,
        id=connector.name,
        channel=connector.channel,
        state=connector.state,
        managed_by=connector.managed_by,
        account=status.get("account") or None,
        mode=status.get("mode") or None,
        registered=bool(status.get("registered")),
        limited=status.get("limited", 0),
        queue=status.get("queue", 0),
        problem=status.get("problem") or None,
        unsupported=status.get("unsupported", {}),
        told_at=status.get("at"),
    )
