"""What the rest of the system may ask of the directory. Adapter: sql (SQLite; CockroachDB and PostgreSQL by URL).

Every change is one serializable transaction; what others must hear of it is an outbox row in the same one.
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
    """A person or a program, by a name that never changes. `password_hash`: argon2id; None: cannot log in.

    `display_name`: what others are shown, where that is not the username.
    """

    username: str
    role: Role = Role.USER
    email: str | None = None
    password_hash: str | None = None
    last_seen: int | None = None
    display_name: str | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation and who is in it, in the order of joining. `created_at`: milliseconds since 1970."""

    conversation_id: str
    type: str
    created_by: str
    created_at: int
    metadata: Mapping[str, str]
    members: tuple[str, ...]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something to append to the log once the transaction that caused it is done: topic, key, value."""

    topic: str
    key: str
    value: bytes


MemberNotice = Callable[[tuple[str, ...], tuple[str, ...]], Notice]


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that waits, under the number that says its turn."""

    number: int
    notice: Notice


class LogEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """How a topic was made: positions and partitioning hold only as long as this does."""

    topic: str
    epoch: int
    partitions: int
    identity: str | None = None  # of the topic, from the log; None: it was not written down


class AlreadyThereError(Exception):
    """A name that must be unique is taken."""


class UnknownUsersError(Exception):
    """Some of the usernames do not exist."""

    def __init__(self, usernames: Sequence[str]) -> None:
        super().__init__(f"there is no user {', '.join(usernames)}")
        self.usernames = tuple(usernames)


class Directory(Protocol):
    """The directory."""

    async def add_user(self, user: User) -> None:
        """Raises AlreadyThereError."""
        ...

    async def user(self, username: str) -> User | None:
        """The user of exactly this name."""
        ...

    async def users(self, usernames: Collection[str]) -> dict[str, User]:
        """Those of them who exist."""
        ...

    async def change_user(self, username: str, *, role: Role | None, password_hash: str | None) -> User | None:
        """Change what is not None; the user as it is now, None if there is no such user."""
        ...

    async def find_users(self, prefix: str, *, after: str, limit: int) -> list[User]:
        """Users whose name begins so, by name, those after `after`."""
        ...

    async def seen(self, username: str, at: int) -> None:
        """The user was last here at this time (ms); an earlier time than the known one changes nothing."""
        ...

    async def add_conversation(self, conversation: Conversation, notices: Sequence[Notice]) -> None:
        """Raises UnknownUsersError, AlreadyThereError."""
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation with its members."""
        ...

    async def conversations_of(self, usernames: Collection[str]) -> dict[str, list[str]]:
        """For each user, the ids of his conversations."""
        ...

    async def conversations(self, conversation_ids: Collection[str]) -> dict[str, Conversation]:
        """These conversations with their members."""
        ...

    async def members(self, conversation_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The members of each, in one query."""
        ...

    async def joined(self, conversation_ids: Collection[str]) -> dict[str, dict[str, int]]:
        """When each member of each came in (ms): a message is for those who were there."""
        ...

    async def is_member(self, conversation_id: str, username: str) -> bool:
        """Whether he is in it now."""
        ...

    async def acquaintances(self, username: str, *, limit: int) -> list[str]:
        """Users who share a conversation with him."""
        ...

    async def change_members(
        self, conversation_id: str, *, add: Sequence[str], remove: Sequence[str], at: int, notice: MemberNotice
    ) -> bool:
        """Add who is not in yet, remove who is; False (and no notice) if that changes nothing.

        `notice` is made in the transaction, of those who really came and went.

        Raises UnknownUsersError, LookupError for an unknown conversation.
        """
        ...

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Take or keep a lease; False while somebody else holds it."""
        ...

    async def outbox(self, *, limit: int) -> list[OutboxRow]:
        """What waits, in the order in which it was committed."""
        ...

    async def outbox_done(self, numbers: Collection[int]) -> None:
        """These were appended."""
        ...

    async def log_epoch(self, topic: str) -> LogEpoch | None:
        """How the topic was made."""
        ...

    async def add_log_epoch(self, epoch: LogEpoch) -> None:
        """Write it down, once."""
        ...
