"""/v1/users/channels shows and changes who a user is on other channels."""

from typing import Annotated, Literal

import pydantic
from fastapi import APIRouter, Path, Query

from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import NO_NUL, VISIBLE, Username
from chat4all.api.posting import admit
from chat4all.api.problems import documented
from chat4all.api.services import EndpointServices, Uses, Who
from chat4all.directory.channels import Link, LinkState
from chat4all.model.reasons import REASONS
from chat4all.model.rows import iso

router = APIRouter(prefix="/v1/users/channels", tags=["channels"], route_class=StrictRoute)

_Channel = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=32, pattern=VISIBLE)]
_Identifier = Annotated[str, pydantic.StringConstraints(max_length=128, pattern=NO_NUL)]
_Connector = Annotated[str, pydantic.StringConstraints(max_length=128, pattern=NO_NUL)]
_LinkId = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A link's id.")]
_Of = Annotated[str | None, Query(min_length=1, max_length=64, pattern=VISIBLE, description="Whose; admins only.")]


class NewLink(pydantic.BaseModel):
    """Who you are on a channel. Without `identifier`: whoever shows the code there.

    `connector`: its id, where the channel has several. `username`: somebody else, by an admin: linked at once.
    """

    channel_type: _Channel
    identifier: _Identifier = ""
    connector: _Connector = ""
    username: Username | None = None


class LinkAnswer(pydantic.BaseModel):
    """A link. `unreachable`: the person has blocked us or is gone, `reason` is why.

    A pending one has a `code` that the person writes to the connector's account as `/start CODE`, or by `invite`.
    """

    id: str
    status: Literal["pending", "linked", "unreachable"]
    channel: str
    connector: str
    identifier: str
    username: str
    created_at: str
    code: str | None = None
    invite: str | None = None
    how: str | None = None
    reason: str | None = None


class Removed(pydantic.BaseModel):
    """It is not there any more."""

    status: Literal["removed"] = "removed"


@router.post("", responses=documented("unauthenticated", "forbidden", "conflict", "malformed", "invalid", "too-many"))
async def add(uses: Uses, who: Who, new: NewLink) -> LinkAnswer:
    """Say who you are on a channel; pending until that person shows the code there. The same again is the same link."""
    await admit(uses, who, "link")
    link = await uses.links.add(who, new.username or who.username, new.channel_type, new.connector, new.identifier)
    return (await _answers(uses, [link]))[0]


@router.get("", responses=documented("unauthenticated", "forbidden", "invalid"))
async def list_links(uses: Uses, who: Who, username: _Of = None) -> list[LinkAnswer]:
    """Your links, pending ones too; an admin sees anybody's."""
    return await _answers(uses, await uses.links.of(who, username or who.username))


@router.delete("/{link_id}", responses=documented("unauthenticated", "not-found", "invalid"))
async def remove(uses: Uses, who: Who, link_id: _LinkId) -> Removed:
    """Remove a link of yours; an admin may remove anybody's."""
    await uses.links.remove(who, link_id)
    return Removed()


async def _answers(uses: EndpointServices, links: list[Link]) -> list[LinkAnswer]:
    connectors = await uses.links.by_id([one.connector for one in links])
    accounts = {name: str(connector.status.get("account", "")) for name, connector in connectors.items()}
    return [_answer(uses, one, accounts.get(one.connector, "")) for one in links]


def _answer(uses: EndpointServices, link: Link, account: str) -> LinkAnswer:
    channel = uses.channels.get(link.channel)
    title = channel.title if channel else link.channel
    pending = link.state is LinkState.PENDING
    invite = channel.invite.format(account=account.removeprefix("@"), code=link.code) if channel and account else ""
    how = (
        f"Write /start {link.code} to {account or 'the account of ' + link.connector} on {title}." if pending else None
    )
    if link.state is LinkState.UNREACHABLE and link.reason in REASONS:
        how = f"{REASONS[link.reason].sentence} {REASONS[link.reason].advice}"
    return LinkAnswer(
        id=link.link_id,
        status=link.state.value,
        channel=link.channel,
        connector=link.connector,
        identifier=link.external_id,
        username=link.username,
        created_at=iso(link.created_at),
        code=link.code,
        invite=(invite or None) if pending else None,
        how=how,
        reason=link.reason,
    )
