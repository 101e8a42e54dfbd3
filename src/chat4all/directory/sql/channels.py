"""The directory's part for channels on SQL: links and inbound messages; connectors are in its base."""

import json
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from chat4all.directory.channels import (
    CreationNotice,
    InboundOrigin,
    Link,
    LinkState,
    NoSuchMembersError,
    Placement,
)
from chat4all.directory.port import AlreadyThereError, Role
from chat4all.directory.sql import tables
from chat4all.directory.sql.connectors import SqlConnectors
from chat4all.model.ids import contact_name, inbox_id, is_contact, new_id

_links, _events, _reach = tables.links, tables.inbound_events, tables.reach
_users, _conversations, _members, _outbox = tables.users, tables.conversations, tables.members, tables.outbox


class SqlChannels(SqlConnectors):
    """The tables of channels. Implements `chat4all.directory.channels.ChannelDirectory`."""

    async def add_link(self, link: Link) -> None:
        def work(connection: sa.Connection) -> None:
            links = [_link(row) for row in connection.execute(_of_person(link.connector, link.external_id))]
            mine = [one for one in links if one.username == link.username]
            if _taken(links) or (mine and link.state is LinkState.PENDING):
                raise AlreadyThereError(f"{link.connector} {link.external_id}")
            connection.execute(sa.delete(_links).where(_links.c.link_id.in_([one.link_id for one in mine])))
            if link.state is not LinkState.PENDING:
                _remove_contact_links(connection, links)
            connection.execute(sa.insert(_links).values(_link_values(link)))

        await self._sql.write(work)

    async def links_of(self, usernames: Collection[str]) -> dict[str, list[Link]]:
        links: dict[str, list[Link]] = {username: [] for username in usernames}
        query = sa.select(_links).where(_links.c.username.in_(usernames))
        for row in await self._sql.all(query.order_by(_links.c.created_at, _links.c.link_id)) if usernames else ():
            links[row.username].append(_link(row))
        return links

    async def prove_link(self, connector: str, external_id: str, code: str, *, since: int) -> Link | None:
        def work(connection: sa.Connection) -> Link | None:
            links = [_link(row) for row in connection.execute(_of_person(connector, external_id))]
            of_nobody = [_link(row) for row in connection.execute(_of_person(connector, ""))]
            pending = [one for one in [*links, *of_nobody] if one.state is LinkState.PENDING]
            proven = next((one for one in pending if one.code == code and one.created_at >= since), None)
            if proven is None or _taken(links):
                return None
            _remove_contact_links(connection, links)
            # Other users who claim to be this person have claimed wrongly.
            others = [one.link_id for one in links if one.state is LinkState.PENDING and one is not proven]
            connection.execute(sa.delete(_links).where(_links.c.link_id.in_(others)))
            values = {"external_id": external_id, "chat": proven.chat or external_id, "code": None}
            change = sa.update(_links).where(_links.c.link_id == proven.link_id)
            connection.execute(change.values(state=LinkState.LINKED.value, **values))
            return msgspec.structs.replace(proven, state=LinkState.LINKED, **values)

        return await self._sql.write(work)

    async def link(self, link_id: str) -> Link | None:
        rows = await self._sql.all(sa.select(_links).where(_links.c.link_id == link_id))
        return _link(rows[0]) if rows else None

    async def remove_link(self, link_id: str, username: str) -> bool:
        removal = sa.delete(_links).where(_links.c.link_id == link_id, _links.c.username == username)
        return await self._sql.write(lambda c: c.execute(removal).rowcount) == 1

    async def set_reachable(
        self, connector: str, external_id: str, *, reachable: bool, reason: str, event: tuple[str, int] | None = None
    ) -> list[Link]:
        state = LinkState.LINKED if reachable else LinkState.UNREACHABLE
        values = {"state": state.value, "reason": None if reachable else reason}

        def work(connection: sa.Connection) -> list[Link]:
            if event is not None:  # in one transaction with what it changes, or a failure between would lose that
                connection.execute(sa.insert(_events).values(_event_values(connector, *event)))
            links = [_link(row) for row in connection.execute(_of_person(connector, external_id))]
            changed = [one for one in links if one.state not in {LinkState.PENDING, state}]
            ids = [one.link_id for one in changed]
            connection.execute(sa.update(_links).where(_links.c.link_id.in_(ids)), values)
            return [msgspec.structs.replace(one, state=state, reason=values["reason"]) for one in changed]

        try:
            return await self._sql.write(work)
        except sa.exc.IntegrityError:  # the same event came before
            return []

    async def place(self, arrival: InboundOrigin, creation_notice: CreationNotice | None) -> Placement:
        def work(connection: sa.Connection) -> Placement:
            earlier = _earlier_placement(connection, arrival)
            if earlier is not None:
                return earlier
            username = _writer(connection, arrival)
            conversation_id, ambiguous = _conversation_of(connection, arrival, username, creation_notice)
            event = {"connector": arrival.connector, "event_id": arrival.event_id, "at": arrival.at}
            place = {"conversation_id": conversation_id, "username": username, "ambiguous": ambiguous}
            connection.execute(sa.insert(_events).values(event | place))
            return Placement(conversation_id=conversation_id, username=username, ambiguous=ambiguous)

        return await self._sql.write(work)

    async def user_of(self, connector: str, external_id: str) -> str | None:
        query = _of_person(connector, external_id).where(_links.c.state != LinkState.PENDING.value)
        rows = await self._sql.all(query)
        return str(rows[0].username) if rows else None

    async def first_time(self, connector: str, event_id: str, at: int) -> bool:
        values = _event_values(connector, event_id, at)
        try:
            await self._sql.write(lambda c: c.execute(sa.insert(_events).values(values)))
        except sa.exc.IntegrityError:
            return False
        return True

    async def forget_events(self, *, before: int) -> None:
        old = sa.and_(_events.c.at < before, _events.c.event_id.not_like("group %"))
        await self._sql.write(lambda c: c.execute(sa.delete(_events).where(old)))

    async def reached(self, connector: str, chat: str, conversation_id: str, at: int) -> None:
        key = {"connector": connector, "chat": chat, "conversation_id": conversation_id}

        def work(connection: sa.Connection) -> None:
            same_row = [_reach.c[name] == value for name, value in key.items()]
            row = connection.execute(sa.select(_reach.c.last_at).where(*same_row).with_for_update()).first()
            if row is None:
                connection.execute(sa.insert(_reach).values(key | {"last_at": at}))
            elif row.last_at < at:
                connection.execute(sa.update(_reach).where(*same_row).values(last_at=at))

        await self._sql.write(work)


def _event_values(connector: str, event_id: str, at: int) -> dict[str, object]:
    """Return the row of an event that belongs to no conversation."""
    place = {"conversation_id": "", "username": "", "ambiguous": False}
    return {"connector": connector, "event_id": event_id, "at": at, **place}


def _of_person(connector: str, external_id: str) -> sa.Select[Any]:
    return sa.select(_links).where(_links.c.connector == connector, _links.c.external_id == external_id)


def _taken(links: Sequence[Link]) -> bool:
    """Return whether one of these links of a person is proven and of a user who is no contact."""
    return any(one.state is not LinkState.PENDING and not is_contact(one.username) for one in links)


def _remove_contact_links(connection: sa.Connection, links: Sequence[Link]) -> None:
    """Remove the links of contacts. The contact keeps the messages so far; what the person writes from now on is the
    linked user's."""
    ids = [one.link_id for one in links if is_contact(one.username)]
    connection.execute(sa.delete(_links).where(_links.c.link_id.in_(ids)))


def _earlier_placement(connection: sa.Connection, arrival: InboundOrigin) -> Placement | None:
    same_row = (_events.c.connector == arrival.connector, _events.c.event_id == arrival.event_id)
    row = connection.execute(sa.select(_events).where(*same_row)).first()
    if row is None:
        return None
    return Placement(conversation_id=row.conversation_id, username=row.username, ambiguous=row.ambiguous, repeated=True)


def _writer(connection: sa.Connection, arrival: InboundOrigin) -> str:
    """Return the username of the user who is linked to this person, or of their contact, which is made if need be.
    A person who has written is reachable again."""
    links = [_link(row) for row in connection.execute(_of_person(arrival.connector, arrival.external_id))]
    proven = next((one for one in links if one.state is not LinkState.PENDING), None)
    if proven is not None:
        change = sa.update(_links).where(_links.c.link_id == proven.link_id)
        connection.execute(change.values(state=LinkState.LINKED.value, reason=None))
        return proven.username
    username = contact_name(arrival.connector, arrival.external_id)
    user = {"username": username, "role": Role.USER.value, "created_at": arrival.at, "display_name": arrival.name[:255]}
    if connection.execute(sa.select(_users.c.username).where(_users.c.username == username)).first() is None:
        connection.execute(sa.insert(_users).values(user))
    link = Link(
        link_id=new_id(),
        username=username,
        channel=arrival.channel,
        connector=arrival.connector,
        external_id=arrival.external_id,
        chat=arrival.chat,
        created_at=arrival.at,
    )
    connection.execute(sa.insert(_links).values(_link_values(link)))
    return username


def _conversation_of(
    connection: sa.Connection, arrival: InboundOrigin, username: str, creation_notice: CreationNotice | None
) -> tuple[str, bool]:
    """Return the conversation, and whether several could have been meant. It is never one that the user is not in."""
    own = sa.select(_members.c.conversation_id).where(_members.c.username == username)
    if arrival.quoted is not None:
        quoted = own.where(_members.c.conversation_id == arrival.quoted)
        if connection.execute(quoted).first() is not None:
            return arrival.quoted, False
    recent = sa.select(_reach.c.conversation_id).where(
        _reach.c.connector == arrival.connector,
        _reach.c.chat == arrival.chat,
        _reach.c.last_at >= arrival.since,
        _reach.c.conversation_id.in_(own),
    )
    ids = [row.conversation_id for row in connection.execute(recent)]
    if len(ids) == 1:
        return str(ids[0]), False
    return _inbox(connection, arrival, username, creation_notice), len(ids) > 1


def _inbox(
    connection: sa.Connection, arrival: InboundOrigin, username: str, creation_notice: CreationNotice | None
) -> str:
    """Return the inbox conversation of this chat with the user in it. It is made if need be."""
    conversation_id = inbox_id(arrival.connector, arrival.chat, username)
    same_row = _conversations.c.conversation_id == conversation_id
    if connection.execute(sa.select(same_row).where(same_row)).first() is None:
        _check_inbox(connection, arrival.inbox)
        first = (arrival.inbox or (username,))[0]
        metadata = json.dumps({"channel": arrival.channel, "connector": arrival.connector})
        values = {"conversation_id": conversation_id, "type": "group", "created_by": first, "metadata": metadata}
        connection.execute(sa.insert(_conversations).values(values | {"created_at": arrival.at}))
        _join(connection, conversation_id, [username, *arrival.inbox], arrival.at)
        if creation_notice is not None:
            connection.execute(sa.insert(_outbox).values(msgspec.structs.asdict(creation_notice(conversation_id))))
    else:
        _join(connection, conversation_id, [username], arrival.at)
    return conversation_id


def _check_inbox(connection: sa.Connection, usernames: Sequence[str]) -> None:
    rows = connection.execute(sa.select(_users.c.username).where(_users.c.username.in_(usernames)))
    known = {row.username for row in rows}
    if unknown := [one for one in usernames if one not in known]:
        raise NoSuchMembersError(unknown)


def _join(connection: sa.Connection, conversation_id: str, usernames: Sequence[str], at: int) -> None:
    same_conversation = _members.c.conversation_id == conversation_id
    turns = {row.username: row.turn for row in connection.execute(sa.select(_members).where(same_conversation))}
    turn = max(turns.values(), default=-1)
    for username in dict.fromkeys(usernames):
        if username not in turns:
            turn += 1
            values = {"conversation_id": conversation_id, "username": username, "added_at": at, "turn": turn}
            connection.execute(sa.insert(_members).values(values))


def _link(row: sa.Row[Any]) -> Link:
    values = row._asdict()
    return Link(**values | {"state": LinkState(values["state"])})


def _link_values(link: Link) -> dict[str, object]:
    return msgspec.structs.asdict(link) | {"state": link.state.value}
