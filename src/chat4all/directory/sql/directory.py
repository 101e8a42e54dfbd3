"""The directory on SQL: users, conversations, leases and the outbox, on SQLite, PostgreSQL or CockroachDB."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from chat4all.directory.port import (
    AlreadyThereError,
    Conversation,
    LogEpoch,
    MemberNotice,
    Notice,
    OutboxRow,
    Role,
    UnknownUsersError,
    User,
)
from chat4all.directory.sql import tables
from chat4all.directory.sql.engine import Sql

_users, _conversations, _members = tables.users, tables.conversations, tables.members
_outbox, _leases, _epochs = tables.outbox, tables.leases, tables.log_epoch
_USER_FIELDS: Final = ("username", "role", "email", "password_hash", "last_seen", "display_name")
_USER_COLUMNS: Final = [_users.c[name] for name in _USER_FIELDS]


class SqlDirectory:
    """The directory keeps its tables in an SQL database. Implements `Directory`.

    `clock`: seconds since 1970, for leases and for when a user was added.
    """

    def __init__(self, sql: Sql, *, clock: Callable[[], float] = time.time) -> None:
        self._sql = sql
        self._clock = clock

    async def add_user(self, user: User) -> None:
        values = msgspec.structs.asdict(user) | {"created_at": int(self._clock() * 1000)}
        try:
            await self._sql.write(lambda c: c.execute(sa.insert(_users).values(values)))
        except sa.exc.IntegrityError as error:
            raise AlreadyThereError(user.username) from error

    async def user(self, username: str) -> User | None:
        rows = await self._sql.all(sa.select(*_USER_COLUMNS).where(_users.c.username == username))
        return _user(rows[0]) if rows else None

    async def users(self, usernames: Collection[str]) -> dict[str, User]:
        query = sa.select(*_USER_COLUMNS).where(_users.c.username.in_(usernames))
        return {row.username: _user(row) for row in await self._sql.all(query)} if usernames else {}

    async def change_user(self, username: str, *, role: Role | None, password_hash: str | None) -> User | None:
        values = {k: v for k, v in (("role", role), ("password_hash", password_hash)) if v is not None}
        if values:
            await self._sql.write(lambda c: c.execute(sa.update(_users).where(_users.c.username == username), values))
        return await self.user(username)

    async def find_users(self, prefix: str, *, after: str, limit: int) -> list[User]:
        query = sa.select(*_USER_COLUMNS).where(
            _users.c.username.startswith(prefix, autoescape=True), _users.c.username > after
        )
        return [_user(row) for row in await self._sql.all(query.order_by(_users.c.username).limit(limit))]

    async def seen(self, username: str, at: int) -> None:
        earlier = sa.or_(_users.c.last_seen.is_(None), _users.c.last_seen < at)
        change = sa.update(_users).where(_users.c.username == username, earlier).values(last_seen=at)
        await self._sql.write(lambda c: c.execute(change))

    async def add_conversation(self, conversation: Conversation, notices: Sequence[Notice]) -> None:
        def work(connection: sa.Connection) -> None:
            _check_users(connection, conversation.members)
            connection.execute(sa.insert(_conversations).values(_conversation_values(conversation)))
            _add_members(connection, conversation.conversation_id, conversation.members, conversation.created_at)
            _add_notices(connection, notices)

        try:
            await self._sql.write(work)
        except sa.exc.IntegrityError as error:
            raise AlreadyThereError(conversation.conversation_id) from error

    async def conversation(self, conversation_id: str) -> Conversation | None:
        return (await self.conversations([conversation_id])).get(conversation_id)

    async def conversations_of(self, usernames: Collection[str]) -> dict[str, list[str]]:
        query = sa.select(_members.c.username, _members.c.conversation_id).where(_members.c.username.in_(usernames))
        conversations: dict[str, list[str]] = {username: [] for username in usernames}
        for username, conversation_id in await self._sql.all(query):
            conversations[username].append(conversation_id)
        return conversations

    async def conversations(self, conversation_ids: Collection[str]) -> dict[str, Conversation]:
        wanted = _conversations.c.conversation_id.in_(conversation_ids)

        def work(connection: sa.Connection) -> dict[str, Conversation]:
            members = _read_members(connection, conversation_ids)
            rows = connection.execute(sa.select(_conversations).where(wanted))
            return {row.conversation_id: _conversation(row, members[row.conversation_id]) for row in rows}

        return await self._sql.read(work) if conversation_ids else {}

    async def members(self, conversation_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        if not conversation_ids:
            return {}
        return _by_conversation(conversation_ids, await self._sql.all(_members_of(conversation_ids)))

    async def joined(self, conversation_ids: Collection[str]) -> dict[str, dict[str, int]]:
        query = sa.select(_members.c.conversation_id, _members.c.username, _members.c.added_at).where(
            _members.c.conversation_id.in_(conversation_ids)
        )
        times: dict[str, dict[str, int]] = {conversation_id: {} for conversation_id in conversation_ids}
        for conversation_id, username, at in await self._sql.all(query.order_by(_members.c.turn)):
            times[conversation_id][username] = at
        return times

    async def is_member(self, conversation_id: str, username: str) -> bool:
        return bool(await self._sql.all(sa.select(_members.c.turn).where(*_place(conversation_id, username))))

    async def acquaintances(self, username: str, *, limit: int) -> list[str]:
        mine = sa.select(_members.c.conversation_id).where(_members.c.username == username)
        others = sa.select(_members.c.username).distinct().where(_members.c.conversation_id.in_(mine))
        query = others.where(_members.c.username != username).order_by(_members.c.username).limit(limit)
        return [other for (other,) in await self._sql.all(query)]

    async def change_members(
        self, conversation_id: str, *, add: Sequence[str], remove: Sequence[str], at: int, notice: MemberNotice
    ) -> bool:
        def work(connection: sa.Connection) -> bool:
            same_row = _conversations.c.conversation_id == conversation_id
            # This locks the row where the database locks rows, so that two changes of one conversation take turns.
            if connection.execute(sa.select(same_row).where(same_row).with_for_update()).first() is None:
                raise LookupError(conversation_id)
            _check_users(connection, add)
            members = set(_read_members(connection, [conversation_id])[conversation_id])
            newcomers = [username for username in dict.fromkeys(add) if username not in members]
            leavers = [username for username in remove if username in members]
            if not newcomers and not leavers:
                return False
            _add_members(connection, conversation_id, newcomers, at)
            for username in leavers:
                connection.execute(sa.delete(_members).where(*_place(conversation_id, username)))
            _add_notices(connection, [notice(tuple(newcomers), tuple(leavers))])
            return True

        return await self._sql.write(work)

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        now = self._clock()

        def work(connection: sa.Connection) -> bool:
            row = connection.execute(sa.select(_leases).where(_leases.c.name == name).with_for_update()).first()
            values = {"holder": holder, "until": now + seconds}
            if row is None:
                connection.execute(sa.insert(_leases).values(name=name, **values))
            elif row.holder == holder or row.until <= now:
                connection.execute(sa.update(_leases).where(_leases.c.name == name), values)
            else:
                return False
            return True

        return await self._sql.write(work)

    async def outbox(self, *, limit: int) -> list[OutboxRow]:
        rows = await self._sql.all(sa.select(_outbox).order_by(_outbox.c.number).limit(limit))
        return [OutboxRow(number=n, notice=Notice(topic=topic, key=key, value=value)) for n, topic, key, value in rows]

    async def outbox_done(self, numbers: Collection[int]) -> None:
        await self._sql.write(lambda c: c.execute(sa.delete(_outbox).where(_outbox.c.number.in_(numbers))))

    async def log_epoch(self, topic: str) -> LogEpoch | None:
        rows = await self._sql.all(sa.select(_epochs).where(_epochs.c.topic == topic))
        return LogEpoch(**rows[0]._asdict()) if rows else None

    async def add_log_epoch(self, epoch: LogEpoch) -> None:
        try:
            await self._sql.write(lambda c: c.execute(sa.insert(_epochs).values(msgspec.structs.asdict(epoch))))
        except sa.exc.IntegrityError as error:
            raise AlreadyThereError(epoch.topic) from error


def _user(row: sa.Row[Any]) -> User:
    values = row._asdict()
    return User(**values | {"role": Role(values["role"])})


def _conversation(row: sa.Row[Any], members: tuple[str, ...]) -> Conversation:
    values = row._asdict()
    return Conversation(**values | {"metadata": json.loads(values["metadata"]), "members": members})


def _conversation_values(conversation: Conversation) -> dict[str, object]:
    values = msgspec.structs.asdict(conversation)
    del values["members"]
    return values | {"metadata": json.dumps(values["metadata"])}


def _place(conversation_id: str, username: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _members.c.conversation_id == conversation_id, _members.c.username == username


def _check_users(connection: sa.Connection, usernames: Sequence[str]) -> None:
    rows = connection.execute(sa.select(_users.c.username).where(_users.c.username.in_(usernames)))
    known = {username for (username,) in rows}
    if unknown := [username for username in usernames if username not in known]:
        raise UnknownUsersError(unknown)


def _add_members(connection: sa.Connection, conversation_id: str, usernames: Sequence[str], at: int) -> None:
    same_conversation = _members.c.conversation_id == conversation_id
    (last,) = connection.execute(sa.select(sa.func.max(_members.c.turn)).where(same_conversation)).one()
    first = 0 if last is None else last + 1
    rows = [
        {"conversation_id": conversation_id, "username": username, "added_at": at, "turn": turn}
        for turn, username in enumerate(usernames, first)
    ]
    if rows:
        connection.execute(sa.insert(_members), rows)


def _add_notices(connection: sa.Connection, notices: Sequence[Notice]) -> None:
    for notice in notices:
        connection.execute(sa.insert(_outbox).values(msgspec.structs.asdict(notice)))


def _read_members(connection: sa.Connection, conversation_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    return _by_conversation(conversation_ids, connection.execute(_members_of(conversation_ids)).all())


def _members_of(conversation_ids: Collection[str]) -> sa.Select[tuple[str, str]]:
    query = sa.select(_members.c.conversation_id, _members.c.username)
    return query.where(_members.c.conversation_id.in_(conversation_ids)).order_by(_members.c.turn)


def _by_conversation(
    conversation_ids: Collection[str], rows: Iterable[sa.Row[tuple[str, str]]]
) -> dict[str, tuple[str, ...]]:
    members: dict[str, list[str]] = defaultdict(list)
    for conversation_id, username in rows:
        members[conversation_id].append(username)
    return {conversation_id: tuple(members[conversation_id]) for conversation_id in conversation_ids}
