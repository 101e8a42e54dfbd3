"""Makes conversations, and adds and removes members. SQL holds them; notices reach the log through the outbox."""

import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from chat4all.conversations.idempotency import Idempotency, KeyedRequest
from chat4all.conversations.membership import Membership
from chat4all.directory.port import (
    AlreadyThereError,
    Conversation,
    Directory,
    Notice,
    Role,
    UnknownUsersError,
)
from chat4all.log.port import CONVERSATIONS, EVENTS
from chat4all.model import ids, records
from chat4all.model.errors import FieldError, Refusal, invalid
from chat4all.store.port import Store

PRIVATE, GROUP = "private", "group"


class MemberChanges:
    """Changes who is in which conversation. Every method raises Refusal and EngineUnavailableError.

    `on_change`: called when the outbox has something new.
    """

    def __init__(
        self, *, directory: Directory, store: Store, membership: Membership, on_change: Callable[[], None]
    ) -> None:
        self._directory = directory
        self._membership = membership
        self._idempotency = Idempotency(store)
        self._on_change = on_change

    async def create(
        self, asked: KeyedRequest, kind: str, others: Sequence[str], metadata: Mapping[str, str]
    ) -> Conversation:
        """Make a conversation of the one who asks and the others; a private one has exactly two people."""
        members = tuple(dict.fromkeys([asked.sender, *others]))
        if kind == PRIVATE and len(members) != 2:
            raise invalid("members", "A private conversation is between you and exactly one other person.")
        keyed = self._idempotency.of(asked)
        conversation_id = await keyed.recall() or asked.id
        conversation = Conversation(
            conversation_id=conversation_id,
            type=kind,
            created_by=asked.sender,
            created_at=_now(),
            metadata=metadata,
            members=members,
        )
        try:
            await self._directory.add_conversation(conversation, [_created(conversation)])
        except UnknownUsersError as error:
            raise _unknown(error, others) from error
        except AlreadyThereError:  # the same request came before
            existing = await self._existing(conversation_id)
            if asked.sender not in existing.members:  # they have left since
                raise _not_found() from None
            return existing
        self._on_change()
        await keyed.remember(conversation_id)
        return conversation

    async def add(self, conversation_id: str, actor: str, usernames: Sequence[str]) -> Conversation:
        """Add people to a group, as any of its members may; they see all of its history. Return it as it is then."""
        conversation = await self._group(conversation_id, actor)
        return await self._change(conversation, actor, add=usernames)

    async def remove(self, conversation_id: str, actor: str, role: Role, username: str) -> Conversation:
        """Remove a member. Everyone may leave; its creator, agents and admins in the group may remove others."""
        conversation = await self._group(conversation_id, actor)
        if username not in conversation.members:
            raise Refusal("not-found", "There is no such member.")
        if actor not in (username, conversation.created_by) and role not in (Role.AGENT, Role.ADMIN):
            raise Refusal("forbidden", "Only its creator, an agent or an admin may remove others.")
        return await self._change(conversation, actor, remove=[username])

    async def _group(self, conversation_id: str, actor: str) -> Conversation:
        conversation = await self._directory.conversation(conversation_id)
        if conversation is None or actor not in conversation.members:
            raise _not_found()
        if conversation.type == PRIVATE:
            raise Refusal("conflict", "A private conversation keeps its two members; make a group instead.")
        return conversation

    async def _change(
        self, conversation: Conversation, actor: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Conversation:
        id_ = conversation.conversation_id

        def notice(added: tuple[str, ...], removed: tuple[str, ...]) -> Notice:
            record = records.Members(
                id=ids.new_id(),
                conversation_id=id_,
                sender_id=actor,
                keyed=True,  # the relay may append it twice
                added=added,
                removed=removed,
            )
            return Notice(topic=CONVERSATIONS, key=id_, value=records.encode(record))

        try:
            changed = await self._directory.change_members(id_, add=add, remove=remove, at=_now(), notice=notice)
        except UnknownUsersError as error:
            raise _unknown(error, add) from error
        self._membership.forget(id_)
        if changed:
            self._on_change()
        return await self._existing(id_)

    async def _existing(self, conversation_id: str) -> Conversation:
        conversation = await self._directory.conversation(conversation_id)
        if conversation is None:
            raise _not_found()
        return conversation


def _not_found() -> Refusal:
    return Refusal("not-found", "There is no such conversation, or you are not in it.")


def _created(conversation: Conversation) -> Notice:
    event = {
        "v": 1,
        "kind": "conversation.created",
        "id": ids.new_id(),
        "conversation_id": conversation.conversation_id,
        "at": conversation.created_at,
        "sender_id": conversation.created_by,
    }
    return Notice(topic=EVENTS, key=conversation.conversation_id, value=msgspec.json.encode(event))


def _unknown(error: UnknownUsersError, usernames: Sequence[str]) -> Refusal:
    fields = tuple(
        FieldError(f"members[{usernames.index(name)}]", f"There is no user {name}.")
        for name in error.usernames
        if name in usernames
    )
    return Refusal("invalid", "Some members do not exist.", errors=fields)


def _now() -> int:
    return time.time_ns() // 1_000_000
