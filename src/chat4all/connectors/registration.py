"""Registration: the only way in which a connector comes to be, and goes. Its row, its topic, its inbox."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pydantic

from chat4all.channels.kit.manifest import Manifests
from chat4all.channels.kit.resource import ChannelConnector
from chat4all.connectors.unsent import give_up
from chat4all.directory.channels import REMOVING, ChannelDirectory, ConnectorRow, NoSuchMembersError
from chat4all.directory.port import AlreadyThereError, Directory
from chat4all.log.port import Log, outbound_topic
from chat4all.model.errors import FieldError, Refusal, invalid
from chat4all.store.ledger import Ledger


class ConnectorRegistry:
    """Puts connectors there and takes them away; the same again changes nothing.

    Every method raises EngineUnavailableError.
    """

    def __init__(
        self, *, log: Log, ledger: Ledger, directory: Directory, channels: ChannelDirectory, manifests: Manifests
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._directory = directory
        self._channels = channels
        self._manifests = manifests

    async def put_raw(self, uid: str, resource: Mapping[str, Any], *, managed_by: str) -> ConnectorRow:
        """Register what somebody asks for, or what has changed of it.

        Raises Refusal invalid, with each field that is wrong; conflict: it is somebody else's, or its name is.
        """
        checked = self._checked(resource)
        try:
            return await self.put(uid, checked, managed_by=managed_by)
        except NoSuchMembersError as error:
            raise invalid("resource.spec.inbox.members", f"{error}.") from error
        except AlreadyThereError as error:
            raise Refusal("conflict", f"{error}.") from error

    async def put(self, uid: str, resource: ChannelConnector, *, managed_by: str) -> ConnectorRow:
        """The same for a resource that was checked.

        Raises NoSuchMembersError, and AlreadyThereError: another uid has its name, somebody else manages it, or it was
        of another channel.
        """
        members = resource.spec.inbox.members
        known = await self._directory.users(members)
        if unknown := [one for one in members if one not in known]:
            raise NoSuchMembersError(unknown)
        connector = ConnectorRow(
            uid=uid,
            name=resource.id,
            channel=resource.spec.channel,
            managed_by=managed_by,
            spec=resource.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        )
        _check_change(await self._channels.connector(uid), connector)
        await self._log.create([outbound_topic(resource.id)])
        try:
            await self._channels.put_connector(connector)
        except AlreadyThereError as error:
            raise AlreadyThereError(f"Another connector is called {connector.name}") from error
        return await self.one(uid)

    async def all(self) -> Sequence[ConnectorRow]:
        """All connectors that are registered, by name."""
        return await self._channels.connectors()

    async def one(self, uid: str) -> ConnectorRow:
        """The connector of this uid. Raises Refusal not-found."""
        found = await self._channels.connector(uid)
        if found is None:
            raise Refusal("not-found", "There is no such connector.")
        return found

    async def remove(self, uid: str, *, managed_by: str) -> None:
        """Forget it; what it has not sent becomes failed. Raises Refusal conflict: somebody else manages it."""
        known = await self._channels.connector(uid)
        if known is None:
            return
        if known.managed_by != managed_by:
            raise Refusal("conflict", f"{known.name} is managed by {known.managed_by}.")
        # From now on nothing more is planned for it; asked again after a crash, this goes on.
        await self._channels.put_connector(msgspec.structs.replace(known, spec={**known.spec, "state": REMOVING}))
        manifest = self._manifests.get(known.channel)
        await give_up(self._log, self._ledger, known.name, manifest.capabilities if manifest else None)
        await self._channels.remove_connector(uid)

    def _checked(self, resource: Mapping[str, Any]) -> ChannelConnector:
        try:
            checked = ChannelConnector.model_validate(resource)
        except pydantic.ValidationError as error:
            raise _invalid(error, "resource") from None
        manifest = self._manifests.get(checked.spec.channel)
        if manifest is None:
            there = ", ".join(sorted(self._manifests))
            raise invalid("resource.spec.channel", f"There is no such channel. There is: {there}.")
        try:
            manifest.config.model_validate(checked.spec.config)
        except pydantic.ValidationError as error:
            raise _invalid(error, "resource.spec.config") from None
        return checked


def _check_change(known: ConnectorRow | None, wanted: ConnectorRow) -> None:
    if known is None:
        return
    if known.managed_by != wanted.managed_by:
        raise AlreadyThereError(f"{known.name} is managed by {known.managed_by}")
    for what, old, new in (("name", known.name, wanted.name), ("channel", known.channel, wanted.channel)):
        if old != new:
            raise AlreadyThereError(f"The {what} of a connector stays: {old}, not {new}")


def _invalid(error: pydantic.ValidationError, below: str) -> Refusal:
    """Names each field; never with what stands there."""
    found = error.errors(include_input=False, include_url=False)[:50]
    fields = tuple(FieldError(".".join((below, *map(str, one["loc"]))), one["msg"]) for one in found)
    return Refusal("invalid", f"Not valid: {', '.join(one.field for one in fields[:5])}.", errors=fields)
