"""What the directory knows of channels: connectors, who is linked to them, and where what people write belongs.

Adapter: sql_channels. Every change is one serializable transaction; what others must hear of it is an outbox row in the
same one. All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from chat4all.directory.port import Notice


class LinkState(enum.StrEnum):
    """Pending until it is proven; linked; unreachable: the person does not want to hear from us, or is gone."""

    PENDING = "pending"
    LINKED = "linked"
    UNREACHABLE = "unreachable"


REMOVING: Final = "Removing"  # a connector's state while what it has not sent is told as failed: nothing new is planned


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Ties a user to somebody at a provider. `code`: what proves a pending one; `reason`: why it is unreachable.

    A pending one may not say who: `external_id` is empty then, and whoever shows the code is it.
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


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A registered connector. `name`: its id, <namespace>.<name>; `spec`: of its resource, without what is secret.

    `account`: whose credentials it has, once it knows; `status`: what it last told of itself.
    """

    uid: str
    name: str
    channel: str
    managed_by: str
    spec: Mapping[str, Any]
    account: str | None = None
    status: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has written. `quoted`: the conversation of the message that he answers, if we know it.

    `inbox`: who is in a new conversation beside him; `since`: conversations that reached this chat before do not
    count, ms.
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
    """Where it belongs, and who he is here. `ambiguous`: several conversations could have been meant, and he is to be
    told once; `repeated`: the same event was placed before."""

    conversation_id: str
    username: str
    ambiguous: bool = False
    repeated: bool = False


Created = Callable[[str], Notice]  # of a conversation of this id


class NoSuchMembersError(Exception):
    """The inbox names users who are not there."""

    def __init__(self, usernames: Sequence[str]) -> None:
        super().__init__(f"there is no user {', '.join(usernames)}")
        self.usernames = tuple(usernames)


class ChannelDirectory(Protocol):
    """The part of the directory that channels need."""

    # -- connectors

    async def put_connector(self, connector: Connector) -> None:
        """Add it, or change its spec; account and status stay. Raises AlreadyThereError: another uid has its name."""
        ...

    async def connectors(self) -> list[Connector]:
        """All, by name."""
        ...

    async def connector(self, uid: str) -> Connector | None:
        """The one of this uid."""
        ...

    async def remove_connector(self, uid: str) -> bool:
        """Forget it, and that its account is claimed; its links stay. Whether it was there."""
        ...

    async def claim_account(self, uid: str, account: str) -> bool:
        """Say whose credentials it has; False: another connector of the channel has the same, or this one had others:
        what is known of people and messages is of the account it was learned with."""
        ...

    async def report(self, uid: str, status: Mapping[str, Any]) -> None:
        """Keep what it tells of itself."""
        ...

    # -- links

    async def add_link(self, link: Link) -> None:
        """Raises AlreadyThereError: somebody is linked to this person, or the same is pending already.

        A link that is no claim takes the place of the user's own claim.
        """
        ...

    async def links_of(self, usernames: Collection[str]) -> dict[str, list[Link]]:
        """Each one's links, pending ones too, the oldest first."""
        ...

    async def prove_link(self, connector: str, external_id: str, code: str, *, since: int) -> Link | None:
        """Somebody has shown the code: his pending link is linked, a contact's of the same person is gone. None: there
        is no such code of his, it was made before `since` (ms), or he is linked to somebody already."""
        ...

    async def link(self, link_id: str) -> Link | None:
        """The link of this id."""
        ...

    async def remove_link(self, link_id: str, username: str) -> bool:
        """Whether he had it."""
        ...

    async def set_reachable(
        self, connector: str, external_id: str, *, reachable: bool, reason: str, event: tuple[str, int] | None = None
    ) -> list[Link]:
        """Mark the links of this person, pending ones apart; those that changed.

        `event`: the id of what has told so, and when, ms: told again, it changes nothing.
        """
        ...

    # -- what people write

    async def place(self, arrival: Arrival, created: Created | None) -> Placement:
        """Decide where it belongs, once: the same event gets the same answer for ever.

        Who is linked to nobody becomes a contact. `created`: what is told if a conversation is made.
        A conversation of the inbox is of one user: whoever is linked to the person later begins another.
        Raises NoSuchMembersError.
        """
        ...

    async def user_of(self, connector: str, external_id: str) -> str | None:
        """Who this person is here; None: nobody yet."""
        ...

    async def first_time(self, connector: str, event_id: str, at: int) -> bool:
        """Whether this happens for the first time; from now on it does not."""
        ...

    async def forget_events(self, *, before: int) -> None:
        """Events of before this (ms) are not told again by anybody; that a group was answered is kept."""
        ...

    async def reached(self, connector: str, chat: str, conversation_id: str, at: int) -> None:
        """Something of this conversation went to this chat (ms)."""
        ...
