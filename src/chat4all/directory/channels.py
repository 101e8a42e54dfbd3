"""What the directory knows of channels: connectors, links, and the conversations that inbound messages belong to.

Adapter: directory.sql.channels. Every change is one serializable transaction; a notice about it for others is an outbox
row in the same one. All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

from chat4all.directory.port import AlreadyThereError, Notice


class LinkState(enum.StrEnum):
    """A link is pending until it is proven, then linked. It is unreachable while the person does not want to hear from
    us, or is gone."""

    PENDING = "pending"
    LINKED = "linked"
    UNREACHABLE = "unreachable"


# States of a connector beside those that its resource may ask for, Running and Paused.
UNREGISTERING: Final = "Unregistering"  # it is to take away what its provider has of it; nothing new is planned
DISABLED: Final = "Disabled"  # nobody asks for it any more: it stands still, and what comes for it waits
REMOVING: Final = "Removing"  # what it has not sent is being marked as failed; nothing new is planned

FRESH_REPORT_MS: Final = 90_000  # a report that is older says nothing any more


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

    `account`: the account of its credentials, once that is known; `status`: what it last told of itself for people;
    `disabled_at`: since when it is disabled (ms), where it is.
    """

    uid: str
    name: str
    channel: str
    managed_by: str
    spec: Mapping[str, Any]
    account: str | None = None
    status: Mapping[str, Any] = msgspec.field(default_factory=dict)
    disabled_at: int | None = None

    @property
    def state(self) -> str:
        """Running or Paused, as its resource asks for, or one of the states of this module."""
        return str(self.spec.get("state", "Running"))

    @property
    def is_planned(self) -> bool:
        """Whether something new may be planned for it."""
        return self.state not in {UNREGISTERING, REMOVING}

    def check_change(self, wanted: "ConnectorRow") -> None:
        """Raise AlreadyThereError, with a sentence, where this row cannot become the wanted one."""
        if self.managed_by != wanted.managed_by:
            raise AlreadyThereError(f"{self.name} is managed by {self.managed_by}")
        if self.name != wanted.name:
            raise AlreadyThereError(f"The name of a connector stays: {self.name}, not {wanted.name}")
        if self.channel != wanted.channel:
            raise AlreadyThereError(f"The channel of a connector stays: {self.channel}, not {wanted.channel}")
        if self.state == REMOVING:  # whoever removes it still marks what it has not sent
            raise AlreadyThereError(f"{self.name} is being removed: try again when it is gone")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A pod of a connector tells how it is.

    `at`: when (ms); `role`: whether it is the one that receives, or one of those that only send; `authenticated`,
    `registered`: whether the provider takes the credentials, and gives us what people write, None where this pod does
    not know; `unregistered`: the provider has nothing of this connector any more; `account_name`: how people call its
    account; `rate_limited_until`: until when (ms) the provider makes the whole connector wait; `reason`: a code of
    model/connector_reasons.py; `sentence`: what it means here, for a person.
    """

    pod: str
    at: int
    role: Literal["receives", "sends"]
    authenticated: bool | None = None
    registered: bool | None = None
    unregistered: bool = False
    account_name: str = ""
    rate_limited_until: int | None = None
    reason: str
    sentence: str


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
        """Add the connector, or change all of it but its account and status; the same again writes nothing.

        A row of the same name and manager with another uid is taken over: only its uid changes, and what pods of the
        old one reported is forgotten. Raises AlreadyThereError, with a sentence, if somebody else manages the row, if
        it has another channel or name, or is being removed.
        """
        ...

    async def set_state(self, uid: str, state: str, *, at: int | None = None) -> None:
        """Set the state of this connector, if it is there, and `at` as the time (ms) since when it is disabled."""
        ...

    async def connectors(self) -> list[ConnectorRow]:
        """Return all connectors, ordered by name."""
        ...

    async def connector(self, uid: str) -> ConnectorRow | None:
        """Return the connector of this uid, or None."""
        ...

    async def remove_connector(self, uid: str) -> bool:
        """Forget the connector, its claim of an account and its reports; its links stay. Return whether it was
        registered."""
        ...

    async def claim_account(self, uid: str, account: str) -> bool:
        """Store the account of the connector's credentials. Return False, and change nothing, if another connector of
        the channel has the same account or this one had another: what is known of people and messages is true only for
        the account with which it was learned."""
        ...

    async def report(self, uid: str, report: Report, status: Mapping[str, Any]) -> None:
        """Store what a pod reports, in place of what it reported before; nothing where the connector is not there.

        `status` becomes the connector's, for people, unless another pod that receives has reported lately. What pods
        reported too long ago is forgotten.
        """
        ...

    async def reports(self, uids: Collection[str], *, since: int) -> dict[str, list[Report]]:
        """Return for each of these connectors what its pods have reported since this time (ms), ordered by pod."""
        ...

    async def forget_reports(self, *, before: int) -> None:
        """Forget what pods reported before this time (ms)."""
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
