"""/v1/conversations shows and changes who talks with whom, and shows what was said."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

import msgspec
import pydantic
from fastapi import APIRouter, Query, Request, Response

from chat4all.api import pages
from chat4all.api.bodies import StrictRoute, keyed_request
from chat4all.api.forms import NO_NUL, ConversationId, IdempotencyKey, Limit, Username, UsernamePath
from chat4all.api.messages import MessageAnswer, RowAnswer, message_answer, row_answer
from chat4all.api.posting import admit
from chat4all.api.problems import documented
from chat4all.api.services import EndpointServices, Uses, Who
from chat4all.directory.port import Conversation
from chat4all.model.delivery import Cursor
from chat4all.model.errors import Refusal
from chat4all.model.ids import is_contact
from chat4all.model.rows import Head, iso
from chat4all.realtime.port import Status

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], route_class=StrictRoute)

_MAX_COUNTED_UNREAD = 100  # a client shows 99+
_Key = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
_Value = Annotated[str, pydantic.StringConstraints(max_length=1024, pattern=NO_NUL)]
_NAME_SCHEMA: dict[str, Any] = {"propertyNames": {"minLength": 1, "maxLength": 64, "pattern": NO_NUL}}
_CREATE_REFUSALS = ("unauthenticated", "malformed", "invalid", "key-reused", "too-many")
_CHANGE_REFUSALS = ("unauthenticated", "forbidden", "not-found", "conflict", "malformed", "invalid", "too-many")
_Before = Annotated[int | None, Query(ge=0, le=2**53, description="Only below this seq.")]
_After = Annotated[int | None, Query(ge=0, le=2**53, description="Only above this seq, the first ones first.")]


class NewConversation(pydantic.BaseModel):
    """You are a member without being named."""

    type: Literal["private", "group"] = "private"
    members: Annotated[list[Username], pydantic.Field(min_length=1, max_length=500)]
    metadata: Annotated[dict[_Key, _Value], pydantic.Field(max_length=32, json_schema_extra=_NAME_SCHEMA)] = {}


class NewMembers(pydantic.BaseModel):
    """People to bring in."""

    members: Annotated[list[Username], pydantic.Field(min_length=1, max_length=500)]


class ConversationAnswer(pydantic.BaseModel):
    """A conversation. `names`: what members are called who have another name than their username: contacts."""

    conversation_id: str
    type: str
    members: list[str]
    metadata: dict[str, str]
    created_by: str
    created_at: str
    names: dict[str, str] = {}


class PreviewAnswer(pydantic.BaseModel):
    """The beginning of the last message."""

    seq: int
    message_id: str
    sender_id: str
    content: str
    deleted: bool


class ListedConversation(ConversationAnswer):
    """A conversation with what a list of them shows. `unread` is counted to 100; `last_at`: its last activity.

    `present`: the members who are here, online or away.
    """

    last_seq: int
    last_at: str
    preview: PreviewAnswer | None
    unread: int
    read_seq: int
    present: dict[str, Status]


@router.post("", status_code=201, responses=documented(*_CREATE_REFUSALS))
async def create(
    uses: Uses, who: Who, request: Request, new: NewConversation, key: IdempotencyKey = None
) -> ConversationAnswer:
    """Begin a conversation. With an Idempotency-Key, the same request again answers the same conversation."""
    await admit(uses, who, "conversation")
    keyed = await keyed_request(request, who.username, key)
    return await _named(uses, await uses.members.create(keyed, new.type, new.members, new.metadata))


@router.get("", responses=documented("unauthenticated", "invalid"))
async def list_mine(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    limit: Limit = 50,
    before: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,15}:[!-~]{1,64}$", description="Where the page before ended.")
    ] = None,
) -> list[ListedConversation]:
    """Your conversations, the latest activity first."""
    own_ids = (await uses.directory.conversations_of([who.username]))[who.username]
    heads = await uses.store.heads(own_ids)
    silent = await uses.directory.conversations([id_ for id_ in own_ids if id_ not in heads])
    last_at = {id_: head.last_at for id_, head in heads.items()} | {id_: one.created_at for id_, one in silent.items()}
    turns = sorted(((at, id_) for id_, at in last_at.items()), reverse=True)
    if before is not None:
        at, _, id_ = before.partition(":")
        turns = [turn for turn in turns if turn < (int(at), id_)]
    ids = [id_ for _, id_ in turns[:limit]]
    if len(turns) > limit:
        pages.link(request, response, before=":".join(map(str, turns[limit - 1])))
    conversations = await uses.directory.conversations(ids)
    cursors = await uses.store.cursors(ids)
    read = {id_: cursors.get(id_, {}).get(who.username, Cursor()).read_seq for id_ in ids}
    unread = await uses.store.unread(who.username, read, limit=_MAX_COUNTED_UNREAD)
    people = {member for one in conversations.values() for member in one.members}
    present, names = await uses.presence.among(people), await _names(uses, people)
    return [
        _listed(conversations[id_], heads.get(id_), unread, read, present, names) for id_ in ids if id_ in conversations
    ]


@router.get("/{conversation_id}", responses=documented("unauthenticated", "not-found", "invalid"))
async def show(uses: Uses, who: Who, conversation_id: ConversationId) -> ConversationAnswer:
    """One of your conversations."""
    await uses.membership.check(conversation_id, who.username)
    conversation = await uses.directory.conversation(conversation_id)
    if conversation is None:
        raise Refusal("not-found", "There is no such conversation, or you are not in it.")
    return await _named(uses, conversation)


@router.get("/{conversation_id}/messages", responses=documented("unauthenticated", "not-found", "invalid"))
async def read_history(
    uses: Uses,
    who: Who,
    request: Request,
    response: Response,
    conversation_id: ConversationId,
    after_seq: _After = None,
    before_seq: _Before = None,
    limit: Limit = 50,
    kinds: Annotated[Literal["messages", "all"], Query(description="`all`: edits, deletes, member changes too.")] = (
        "messages"
    ),
) -> list[MessageAnswer | RowAnswer]:
    """What was said, by rising seq: the last page, or on from `after_seq`. Messages as they stand now."""
    await uses.membership.check(conversation_id, who.username)
    seen = await uses.history.page(
        conversation_id,
        after_seq=after_seq,
        before_seq=before_seq,
        limit=limit,
        messages_only=kinds == "messages",
    )
    if len(seen) == limit:
        following = {"before_seq": seen[0].row.seq} if after_seq is None else {"after_seq": seen[-1].row.seq}
        if following.get("before_seq") != 1:
            pages.link(request, response, **following)
    statuses = await uses.history.statuses(conversation_id, [one.row for one in seen])
    return [
        message_answer(one.row, state) if one.row.kind == "message" else row_answer(one)
        for one, state in zip(seen, statuses, strict=True)
    ]


@router.post(
    "/{conversation_id}/members",
    responses=documented(*_CHANGE_REFUSALS),
)
async def add_members(uses: Uses, who: Who, conversation_id: ConversationId, new: NewMembers) -> ConversationAnswer:
    """Bring people into a group; they see all of its history. Who is in it already stays."""
    await admit(uses, who, "conversation")
    return await _named(uses, await uses.members.add(conversation_id, who.username, new.members))


@router.delete(
    "/{conversation_id}/members/{username}",
    responses=documented("unauthenticated", "forbidden", "not-found", "conflict", "invalid"),
)
async def remove_member(
    uses: Uses, who: Who, conversation_id: ConversationId, username: UsernamePath
) -> ConversationAnswer:
    """Leave a group, or remove someone: its creator, agents and admins may."""
    return await _named(uses, await uses.members.remove(conversation_id, who.username, who.role, username))


async def _named(uses: EndpointServices, conversation: Conversation) -> ConversationAnswer:
    return conversation_answer(conversation, await _names(uses, conversation.members))


async def _names(uses: EndpointServices, usernames: Collection[str]) -> dict[str, str]:
    """Return what the contacts among these users are called; nobody else has a name beside the username."""
    contacts = [name for name in usernames if is_contact(name)]
    users = await uses.directory.users(contacts) if contacts else {}
    return {name: user.display_name for name, user in users.items() if user.display_name}


def conversation_answer(conversation: Conversation, names: Mapping[str, str]) -> ConversationAnswer:
    """Return a conversation as clients see it. `names`: what its contacts are called, by username."""
    return ConversationAnswer(
        conversation_id=conversation.conversation_id,
        type=conversation.type,
        members=list(conversation.members),
        metadata=dict(conversation.metadata),
        created_by=conversation.created_by,
        created_at=iso(conversation.created_at),
        names={member: names[member] for member in conversation.members if member in names},
    )


def _listed(
    conversation: Conversation,
    head: Head | None,
    unread: dict[str, int],
    read: dict[str, int],
    present: dict[str, Status],
    names: Mapping[str, str],
) -> ListedConversation:
    id_ = conversation.conversation_id
    return ListedConversation(
        **conversation_answer(conversation, names).model_dump(),
        last_seq=head.last_seq if head else 0,
        last_at=iso(head.last_at if head else conversation.created_at),
        preview=PreviewAnswer(**msgspec.structs.asdict(head.preview)) if head and head.preview else None,
        unread=unread[id_],
        read_seq=read[id_],
        present={member: present[member] for member in conversation.members if member in present},
    )
