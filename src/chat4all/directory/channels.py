"""What the directory knows of channels: connectors, links, and the conversations that inbound messages belong to.

Adapter: directory.sql.channels. Every change is one serializable transaction; a notice about it for others is an outbox
row in the same one. All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from chat4all.directory.port import Notice


class LinkState(enum.StrEnum):
    """A link is pending until it is proven, then linked. It is unreachable while the person does not want to hear from
    us, or is gone."""

    PENDING = "pending"
    LINKED = "linked"
    UNREACHABLE = "unreachable"


# A connector is in this state while deliveries that it has not sent are marked as failed: nothing new is planned.
REMOVING: Final = "Removing"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A link says that a user is somebody on a channel. `code`: what proves a pending link; `reason`: why the person
    is unreachable.

    A pending link may leave open which person it is: `external_id` is empty then, and the person who shows the code is
    linked.
    """

    link_id: str
    username: str
    channel: str
    connector: str
    external_id: str
    chat: str
    state: LinkState = LinkState.LINKED
    code: str | None = None
    reason: str | None = None
    created_at: int = 0


class ConnectorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A connector is registered with these properties. `name`: its id, <namespace>.<name>; `spec`: of its resource,
    without secrets.

    `account`: the account of its credentials, once that is known; `status`: what it last reported of itself.
    """

    uid: str
    name: str
    channel: str
    managed_by: str
    spec: Mapping[str, Any]
    account: str | None = None
    status: Mapping[str, Any] = msgspec.field(default_factory=dict)


class InboundOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """A person has written to a connector. `quoted`: the conversation of the message that they answer, if we know it.

    `inbox`: the users who are in a new conversation beside them; `since`: conversations that last reached this chat
    before this time (ms) do not count.
    """

    connector: str
    channel: str
    event_id: str
    chat: str
    external_id: str
    name: str
    at: int
    since: int
    inbox: tuple[str, ...]
    quoted: str | None = None


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """A placement says to which conversation an inbound message belongs, and which user its writer is.

    `ambiguous`: several conversations could have been meant, which the writer is to be told once; `repeated`: the same
    event was placed before.
    """

    conversation_id: str
    username: str
    ambiguous: bool = False
    repeated: bool = False


CreationNotice = Callable[[str], Notice]  # makes the notice about a new conversation, from its id


class NoSuchMembersError(Exception):
    """The connector's inbox names users who do not exist."""

    def __init__(self, usernames: Sequence[str]) -> None:
        super().__init__(f"there is no user {', '.join(usernames)}")
        self.usernames = tuple(usernames)


class ChannelDirectory(Protocol):
    """This is the part of the directory that channels need."""

    # -- connectors

    async def put_connector(self, connector: ConnectorRow) -> None:
        """Add the connector, or change all of it but its account and status. Raises AlreadyThereError if another uid
        has its name."""
        ...

    async def connectors(self) -> list[ConnectorRow]:
        """Return all connectors, ordered by name."""
        ...

    async def connector(self, uid: str) -> ConnectorRow | None:
        """Return the connector of this uid, or None."""
        ...

    async def remove_connector(self, uid: str) -> bool:
        """Forget the connector and its claim of an account; its links stay. Return whether it was registered."""
        ...

    async def claim_account(self, uid: str, account: str) -> bool:
        """Store the account of the connector's credentials. Return False, and change nothing, if another connector of
        the channel has the same account or this one had another: what is known of people and messages is true only for
        the account with which it was learned."""
        ...

    async def report(self, uid: str, status: Mapping[str, Any]) -> None:
        """Store the status that the connector reports of itself."""
        ...

    # -- links

    async def add_link(self, link: Link) -> None:
        """Add a link. Raises AlreadyThereError if a user who is no contact is linked to this person, or the same link
        is pending already.

        A link that is not pending takes the place of the user's own pending link.
        """
        ...

    async def links_of(self, usernames: Collection[str]) -> dict[str, list[Link]]:
        """Return the links of each user, pending ones too, the oldest first."""
        ...

    async def prove_link(self, connector: str, external_id: str, code: str, *, since: int) -> Link | None:
        """Turn the pending link of this code into a proven one, because this person has shown the code. The link of a
        contact to the same person is removed.

        Return the link; or None if there is no such code for this person, it was made before `since` (ms), or they are
        linked to a user already.
        """
        ...

    async def link(self, link_id: str) -> Link | None:
        """Return the link of this id, or None."""
        ...

    async def remove_link(self, link_id: str, username: str) -> bool:
        """Remove this link if it is the user's. Return whether it was."""
        ...

    async def set_reachable(
        self, connector: str, external_id: str, *, reachable: bool, reason: str, event: tuple[str, int] | None = None
    ) -> list[Link]:
        """Mark the links of this person as linked or unreachable, except pending ones. Return those that changed.

        `event`: the id and time (ms) of the provider's event that says so; the same event again changes nothing.
        """
        ...

    # -- what people write

    async def place(self, arrival: InboundOrigin, creation_notice: CreationNotice | None) -> Placement:
        """Decide to which conversation an inbound message belongs, once: the same event gets the same answer for ever.

        A person who is linked to nobody becomes a contact. `creation_notice` makes the notice that is put into the
        outbox if a conversation is made. A conversation of the inbox belongs to one user: another user who is linked to
        the person later gets another conversation. Raises NoSuchMembersError.
        """
        ...

    async def user_of(self, connector: str, external_id: str) -> str | None:
        """Return the username of this person, or None if no user is linked to them."""
        ...

    async def first_time(self, connector: str, event_id: str, at: int) -> bool:
        """Note an event that belongs to no conversation. Return whether it was noted for the first time."""
        ...

    async def forget_events(self, *, before: int) -> None:
        """Forget events from before this time (ms), which no provider sends again; that a group was answered is
        kept."""
        ...

    async def reached(self, connector: str, chat: str, conversation_id: str, at: int) -> None:
        """Note that something of this conversation went to this chat at this time (ms)."""
        ...
