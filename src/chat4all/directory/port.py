"""What the rest of the system may ask of the directory. Adapter: sql (SQLite; CockroachDB and PostgreSQL by URL).

Every change is one serializable transaction; a notice about it for others is an outbox row in the same one.
All methods raise EngineUnavailableError within a bounded time.
"""

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec


class Role(enum.StrEnum):
    """What a user may do. Agents find people; admins manage users."""

    USER = "user"
    AGENT = "agent"
    ADMIN = "admin"
    SERVICE = "service"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user is a person or a program, with a name that never changes. `password_hash`: argon2id; None: they cannot log
    in.

    `display_name`: the name that others see, where that is not the username.
    """

    username: str
    role: Role = Role.USER
    email: str | None = None
    password_hash: str | None = None
    last_seen: int | None = None
    display_name: str | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation has these members, in the order of joining. `created_at`: milliseconds since 1970."""

    conversation_id: str
    type: str
    created_by: str
    created_at: int
    metadata: Mapping[str, str]
    members: tuple[str, ...]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice is something to append to the log once the transaction that caused it is done: topic, key, value."""

    topic: str
    key: str
    value: bytes


MemberNotice = Callable[[tuple[str, ...], tuple[str, ...]], Notice]  # makes it from who came and who went


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A notice waits in the outbox, under the number that says its turn."""

    number: int
    notice: Notice


class LogEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """A log epoch says how a topic was made: positions and partitioning are valid only as long as this is true."""

    topic: str
    epoch: int
    partitions: int
    identity: str | None = None  # of the topic, from the log; None: it was not stored


class AlreadyThereError(Exception):
    """A name or id that must be unique is taken."""


class UnknownUsersError(Exception):
    """Some of the usernames do not exist."""

    def __init__(self, usernames: Sequence[str]) -> None:
        super().__init__(f"there is no user {', '.join(usernames)}")
        self.usernames = tuple(usernames)


class Directory(Protocol):
    """The directory keeps users, conversations, members, leases and the outbox."""

    async def add_user(self, user: User) -> None:
        """Add a user. Raises AlreadyThereError if the name is taken."""
        ...

    async def user(self, username: str) -> User | None:
        """Return the user of exactly this name, or None."""
        ...

    async def users(self, usernames: Collection[str]) -> dict[str, User]:
        """Return the users of these names, by name. Names of nobody are absent."""
        ...

    async def change_user(self, username: str, *, role: Role | None, password_hash: str | None) -> User | None:
        """Change what is not None. Return the user as they are now, or None if there is no such user."""
        ...

    async def find_users(self, prefix: str, *, after: str, limit: int) -> list[User]:
        """Return at most `limit` users whose name begins with `prefix` and comes after `after`, ordered by name."""
        ...

    async def seen(self, username: str, at: int) -> None:
        """Note that the user was here at this time (ms). An earlier time than the known one changes nothing."""
        ...

    async def add_conversation(self, conversation: Conversation, notices: Sequence[Notice]) -> None:
        """Add a conversation with its members, and put the notices into the outbox. Raises UnknownUsersError,
        AlreadyThereError."""
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """Return the conversation with its members, or None."""
        ...

    async def conversations_of(self, usernames: Collection[str]) -> dict[str, list[str]]:
        """Return for each user the ids of their conversations."""
        ...

    async def conversations(self, conversation_ids: Collection[str]) -> dict[str, Conversation]:
        """Return these conversations with their members, by id. Those that do not exist are absent."""
        ...

    async def members(self, conversation_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the members of each conversation in the order of joining, with one query."""
        ...

    async def joined(self, conversation_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """Return for each conversation when each member joined (ms): a message is for those who were members then."""
        ...

    async def is_member(self, conversation_id: str, username: str) -> bool:
        """Return whether the user is in the conversation now."""
        ...

    async def acquaintances(self, username: str, *, limit: int) -> list[str]:
        """Return at most `limit` users who share a conversation with this user, ordered by name."""
        ...

    async def change_members(
        self, conversation_id: str, *, add: Sequence[str], remove: Sequence[str], at: int, notice: MemberNotice
    ) -> bool:
        """Add users who are no members yet, and remove users who are. Return False, without a notice, if that changes
        nothing.

        `notice` makes the notice in the transaction, from those who really came and went.

        Raises UnknownUsersError, and LookupError for an unknown conversation.
        """
        ...

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Take or keep a lease for so many seconds. Return False while another holder has it."""
        ...

    async def outbox(self, *, limit: int) -> list[OutboxRow]:
        """Return at most `limit` notices that wait, in the order in which they were committed."""
        ...

    async def outbox_done(self, numbers: Collection[int]) -> None:
        """Remove the notices of these numbers from the outbox: they were appended."""
        ...

    async def log_epoch(self, topic: str) -> LogEpoch | None:
        """Return how the topic was made, or None if that was never stored."""
        ...

    async def add_log_epoch(self, epoch: LogEpoch) -> None:
        """Store how a topic was made. Raises AlreadyThereError if that was stored before."""
        ...
