"""/v1/messages/{id} shows and changes one message, and shows what became of it. Posting is in posting.py."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from fastapi import APIRouter, Request, Response

from chat4all.api.bodies import StrictRoute, keyed_request
from chat4all.api.forms import IdempotencyKey, MessageId
from chat4all.api.posting import CONTENT_PATTERN, admit, check_content
from chat4all.api.problems import documented
from chat4all.api.services import Uses, Who
from chat4all.conversations.acceptance import Accepted, message_not_found
from chat4all.conversations.history import Seen
from chat4all.conversations.outcomes import Recipient, Way
from chat4all.directory.port import Role
from chat4all.model.channels import Channels
from chat4all.model.delivery import Cursor, State, lowest
from chat4all.model.errors import Refusal
from chat4all.model.reasons import REASONS
from chat4all.model.rows import Row, iso

router = APIRouter(prefix="/v1/messages", tags=["messages"], route_class=StrictRoute)

_CHANGE_REFUSALS = (
    "unauthenticated",
    "forbidden",
    "message-not-found",
    "deleted",
    "invalid",
    "key-reused",
    "too-many",
)


class MessageAnswer(pydantic.BaseModel):
    """A message as it stands now. A deleted one is empty and has `deleted_at`."""

    type: Literal["message"] = "message"
    message_id: str
    conversation_id: str
    seq: int
    sender_id: str
    content: str
    file_id: None = None
    channels: list[str]
    reply_to: str | None
    status: State
    created_at: str
    edited_at: str | None
    deleted_at: str | None


class RowAnswer(pydantic.BaseModel):
    """An edit, a delete or a change of members, as it takes its place among the messages (`kinds=all`)."""

    model_config = pydantic.ConfigDict(extra="allow")

    type: Literal["edit", "delete", "members"]
    conversation_id: str
    seq: int
    sender_id: str
    timestamp: str


class WayAnswer(pydantic.BaseModel):
    """How a message fared on one channel of a person. `reason`: a code (docs/reasons.md); `sentence` and `advice` say
    it. `retry`: POST /v1/messages/{id}/retry sends it again."""

    channel: str
    title: str
    connector: str | None
    status: State
    at: str | None
    reason: str | None = None
    sentence: str | None = None
    advice: str | None = None
    retry: bool = False


class RecipientAnswer(pydantic.BaseModel):
    """What became of a message for one person: in the app by the two times, and on each of their channels."""

    username: str
    name: str
    status: State
    delivered_at: str | None
    read_at: str | None
    channels: list[WayAnswer]


class MessageDetail(MessageAnswer):
    """A message and, one by one, the people it is for."""

    recipients: list[RecipientAnswer]


class TimelineEntryAnswer(pydantic.BaseModel):
    """Something that happened to a message."""

    at: str
    what: str
    who: str
    detail: str


class NewContent(pydantic.BaseModel):
    """What the message says from now on."""

    content: Annotated[
        str,
        pydantic.Field(min_length=1, max_length=10_000, json_schema_extra={"pattern": CONTENT_PATTERN}),
    ]


class NewStatus(pydantic.BaseModel):
    """How far you are: this message and all before it."""

    status: Literal["delivered", "read"]
    conversation_id: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64)]


class ChangeAnswer(pydantic.BaseModel):
    """The change is in the log. `change_id` names the edit or delete itself."""

    status: Literal["accepted"] = "accepted"
    message_id: str
    change_id: str


class RetryAnswer(pydantic.BaseModel):
    """It is in the log. `retried`: on how many channels of people it had failed."""

    status: Literal["accepted"] = "accepted"
    message_id: str
    retried: int


class StatusAnswer(pydantic.BaseModel):
    """It is noted."""

    status: Literal["ok"] = "ok"


@router.get("/{message_id}", responses=documented("unauthenticated", "message-not-found", "invalid"))
async def show(uses: Uses, who: Who, message_id: MessageId) -> MessageDetail:
    """One message and what became of it, person by person. `status` is the lowest of theirs."""
    row = await uses.acceptance.own_row(message_id, who.username)
    recipients = await uses.history.recipients(row)
    people = await uses.directory.users([one.username for one in recipients])
    connectors = await uses.links.by_id([way.connector for one in recipients for way in one.ways])
    channels = {name: connector.channel for name, connector in connectors.items()}
    names = {name: user.display_name or name for name, user in people.items()}
    return MessageDetail(
        **message_answer(row, lowest(one.state for one in recipients)).model_dump(),
        recipients=[_recipient(one, names, channels, uses.channels) for one in recipients],
    )


@router.get("/{message_id}/timeline", responses=documented("unauthenticated", "message-not-found", "invalid"))
async def timeline(uses: Uses, who: Who, message_id: MessageId) -> list[TimelineEntryAnswer]:
    """Where is my message? Everything that happened to it, oldest first."""
    row = await uses.acceptance.own_row(message_id, who.username)
    return [
        TimelineEntryAnswer(at=iso(event.at), what=event.what, who=event.who, detail=event.detail)
        for event in await uses.history.timeline(row)
    ]


@router.patch("/{message_id}", status_code=202, responses=documented(*_CHANGE_REFUSALS, "malformed"))
async def edit(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    message_id: MessageId,
    new: NewContent,
    key: IdempotencyKey = None,
) -> ChangeAnswer:
    """Replace the content of your message."""
    await admit(uses, who)
    check_content(new.content)
    keyed = await keyed_request(request, who.username, key)
    return _changed(response, message_id, await uses.acceptance.edit(keyed, message_id, new.content))


@router.delete("/{message_id}", status_code=202, responses=documented(*_CHANGE_REFUSALS))
async def delete(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    message_id: MessageId,
    key: IdempotencyKey = None,
) -> ChangeAnswer:
    """Take your message back: it stays as an empty one, marked deleted."""
    await admit(uses, who)
    keyed = await keyed_request(request, who.username, key, has_body=False)
    return _changed(response, message_id, await uses.acceptance.delete(keyed, message_id))


@router.post("/{message_id}/retry", responses=documented(*_CHANGE_REFUSALS, "conflict"))
async def retry(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    message_id: MessageId,
    key: IdempotencyKey = None,
) -> RetryAnswer:
    """Send again what has failed of a message, on the channels on which it has; its sender or the team may."""
    await admit(uses, who)
    keyed = await keyed_request(request, who.username, key, has_body=False)
    row = await uses.acceptance.own_row(message_id, who.username)
    if row.sender_id != who.username and who.role is Role.USER:
        raise Refusal("forbidden", "Only its sender or the team may send a message again.")
    failed = [way for one in await uses.history.recipients(row) for way in one.ways if _may_retry(way)]
    accepted = await uses.acceptance.retry(keyed, row, possible=bool(failed))
    if accepted.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return RetryAnswer(message_id=message_id, retried=len(failed))


@router.patch(
    "/{message_id}/status",
    responses=documented("unauthenticated", "forbidden", "message-not-found", "malformed", "invalid", "too-many"),
)
async def set_status(uses: Uses, who: Who, message_id: MessageId, new: NewStatus) -> StatusAnswer:
    """Say that you have received or read this message and everything before it."""
    await admit(uses, who, "receipt")
    row = await uses.acceptance.own_row(message_id, who.username)
    if row.conversation_id != new.conversation_id:
        raise message_not_found()
    if row.sender_id == who.username:
        raise Refusal("forbidden", "Only a recipient can have received or read a message.")
    cursor = Cursor().advanced(row.seq, row.seq if new.status == "read" else 0)
    await uses.acceptance.receive(who.username, {row.conversation_id: cursor})
    return StatusAnswer()


def message_answer(row: Row, state: State) -> MessageAnswer:
    """Return a message as clients see it."""
    return MessageAnswer(
        message_id=row.message_id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        sender_id=row.sender_id,
        content=row.text,
        channels=list(row.channels),
        reply_to=row.reply_to,
        status=state,
        created_at=iso(row.created_at),
        edited_at=_iso(row.edited_at),
        deleted_at=_iso(row.deleted_at),
    )


def row_answer(seen: Seen) -> RowAnswer:
    """Return a row that is no message, in the shape of its WebSocket frame."""
    frame: dict[str, Any] = seen.frame()
    return RowAnswer(**frame)


def _changed(response: Response, message_id: str, accepted: Accepted) -> ChangeAnswer:
    if accepted.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return ChangeAnswer(message_id=message_id, change_id=accepted.message_id)


def _recipient(
    one: Recipient, names: Mapping[str, str], channels: Mapping[str, str], installed: Channels
) -> RecipientAnswer:
    """Return what became of a message for one person. `channels`: the channel of each connector, by its id."""
    return RecipientAnswer(
        username=one.username,
        name=names.get(one.username, one.username),
        status=one.state,
        delivered_at=_iso(one.reached.delivered_at),
        read_at=_iso(one.reached.read_at),
        channels=[_way(way, channels, installed) for way in one.ways],
    )


def _way(way: Way, channels: Mapping[str, str], installed: Channels) -> WayAnswer:
    """Return how a message fared on one way. Where there is no link, `way.connector` is the name of a channel."""
    reason = REASONS.get(way.reason)
    channel = channels.get(way.connector, way.connector)
    return WayAnswer(
        channel=channel,
        title=installed[channel].title if channel in installed else channel,
        connector=way.connector if way.link else None,
        status=way.state,
        at=_iso(way.at),
        reason=way.reason or None,
        sentence=reason.sentence if reason else None,
        advice=reason.advice if reason else None,
        retry=_may_retry(way),
    )


def _may_retry(way: Way) -> bool:
    return way.state is State.FAILED and bool(way.link)


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)
