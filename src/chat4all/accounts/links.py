"""Links say which user is who on which channel.

Nobody becomes somebody else by saying so: what a user claims is pending until the person shows its code on the channel.
An admin may link directly.
"""

import re
import secrets
import string
import time
from collections.abc import Sequence
from typing import Final

from chat4all.accounts.tokens import Identity
from chat4all.directory.channels import ChannelDirectory, ConnectorRow, Link, LinkState
from chat4all.directory.port import AlreadyThereError, Directory, Role
from chat4all.model.channels import Channels
from chat4all.model.errors import FieldError, Refusal, invalid
from chat4all.model.ids import new_id

_MAX_LINKS_PER_USER: Final = 50
_CODE_ALPHABET: Final = string.ascii_uppercase.translate({ord(one): None for one in "IO"}) + "23456789"
_CODE_LETTERS: Final = 12  # of an alphabet of 32: 60 bits


class Links:
    """Makes and removes links. Every method raises Refusal and EngineUnavailableError.

    `offered`: the installed channels.
    """

    def __init__(self, *, directory: Directory, channels: ChannelDirectory, offered: Channels) -> None:
        self._directory = directory
        self._channels = channels
        self._offered = offered

    async def add(self, actor: Identity, username: str, channel: str, connector: str, identifier: str) -> Link:
        """Link a user to a person on a channel: at once for an admin, else pending. The same again is the same link.

        `connector`: its id; empty where the channel has only one. `identifier`: who the person is there;
        admins have to give it, and for others an empty one means whoever shows the code.
        """
        at = await self._connector(channel, connector)
        self._check(actor, channel, identifier)
        await self._check_user(actor, username)
        link = _new_link(actor, username, at, identifier)
        own_links = (await self._channels.links_of([username]))[username]
        if (existing := _same(own_links, link)) is not None:
            return existing
        if len(own_links) >= _MAX_LINKS_PER_USER:
            raise Refusal("conflict", f"{username} has {_MAX_LINKS_PER_USER} links already.")
        try:
            await self._channels.add_link(link)
        except AlreadyThereError as error:
            fields = (FieldError("identifier", "Another user is linked to this person."),)
            raise Refusal("conflict", "Another user is linked to this person.", errors=fields) from error
        return link

    async def of(self, actor: Identity, username: str) -> list[Link]:
        """Return a user's links: users see their own, admins anybody's."""
        await self._check_user(actor, username)
        return (await self._channels.links_of([username]))[username]

    async def remove(self, actor: Identity, link_id: str) -> None:
        """Remove a link: users may remove their own, admins anybody's."""
        link = await self._channels.link(link_id)
        if link is None or (link.username != actor.username and actor.role is not Role.ADMIN):
            raise Refusal("not-found", "There is no such link.")
        await self._channels.remove_link(link_id, link.username)

    async def connectors(self, actor: Identity) -> list[ConnectorRow]:
        """Return every connector; only agents and admins may see them."""
        if actor.role not in (Role.AGENT, Role.ADMIN):
            raise Refusal("forbidden", "Only agents and admins see connectors.")
        return await self._channels.connectors()

    async def by_id(self, names: Sequence[str]) -> dict[str, ConnectorRow]:
        """Return the connectors with these ids, as far as they are registered."""
        return {one.name: one for one in await self._channels.connectors() if one.name in names} if names else {}

    async def _connector(self, channel: str, name: str) -> ConnectorRow:
        if channel not in self._offered:
            raise invalid("channel_type", f"There is no such channel. Installed: {', '.join(sorted(self._offered))}.")
        connectors = [one for one in await self._channels.connectors() if one.channel == channel]
        if name:
            connector = next((one for one in connectors if one.name == name), None)
            if connector is None:
                raise invalid("connector", f"There is no such connector of {channel}.")
            return connector
        if len(connectors) == 1:
            return connectors[0]
        if not connectors:
            raise Refusal("conflict", f"No connector of {channel} is registered yet.")
        raise invalid("connector", f"Name one of these: {', '.join(one.name for one in connectors)}.")

    def _check(self, actor: Identity, channel: str, identifier: str) -> None:
        offered = self._offered[channel]
        if not identifier and actor.role is not Role.ADMIN:
            return
        if not re.fullmatch(offered.identifier, identifier, re.ASCII):
            raise invalid("identifier", f"{offered.title} takes {offered.identifier_hint}.")

    async def _check_user(self, actor: Identity, username: str) -> None:
        if username == actor.username:
            return
        if actor.role is not Role.ADMIN:
            raise Refusal("forbidden", "Only admins see and change the links of others.")
        if await self._directory.user(username) is None:
            raise invalid("username", "There is no such user.")


def _new_link(actor: Identity, username: str, at: ConnectorRow, identifier: str) -> Link:
    """Return a new link. In a private chat the chat has the identifier of the person, at every provider so far."""
    direct = actor.role is Role.ADMIN
    return Link(
        link_id=new_id(),
        username=username,
        channel=at.channel,
        connector=at.name,
        external_id=identifier,
        chat=identifier,
        state=LinkState.LINKED if direct else LinkState.PENDING,
        code=None if direct else "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LETTERS)),
        created_at=time.time_ns() // 1_000_000,
    )


def _same(own_links: Sequence[Link], link: Link) -> Link | None:
    """Return the link that says the same already, if there is one: pending as the new one would be, or better."""
    place = link.connector, link.external_id
    candidates = [one for one in own_links if (one.connector, one.external_id) == place]
    return next(
        (one for one in candidates if one.state is not LinkState.PENDING or link.state is LinkState.PENDING), None
    )
