"""Registration: the only way in which a connector comes to be, and goes. Its row, its topic, its inbox."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from chat4all.channels.kit.manifest import Manifests
from chat4all.channels.kit.resource import MAX_CONFIG_BYTES, ChannelConnector, config_bytes
from chat4all.connectors.unsent import give_up
from chat4all.directory.channels import (
    DISABLED,
    FRESH_REPORT_MS,
    REMOVING,
    UNREGISTERING,
    ChannelDirectory,
    ConnectorRow,
    NoSuchMembersError,
    Report,
)
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

    async def put_raw(
        self, uid: str, resource: Mapping[str, Any], *, managed_by: str, unregister: bool = False
    ) -> ConnectorRow:
        """Register what somebody asks for, or what has changed of it. `unregister`: its provider is to forget it.

        What has been registered may be no longer what anybody takes: to be forgotten by its provider, it need not be.
        Raises Refusal invalid, with each field that is wrong; conflict: it is somebody else's, or its name is, or it is
        being removed.
        """
        if unregister and (known := await self._channels.connector(uid)) is not None:
            _check_manager(known, managed_by)
            if known.state not in {UNREGISTERING, REMOVING}:
                await self._channels.set_state(uid, UNREGISTERING)
            return await self.one(uid)
        checked = self._checked(resource)
        try:
            return await self.put(uid, checked, managed_by=managed_by, unregister=unregister)
        except NoSuchMembersError as error:
            raise invalid("resource.spec.inbox.members", f"{error}.") from error
        except AlreadyThereError as error:
            raise Refusal("conflict", f"{error}.") from error

    async def put(
        self, uid: str, resource: ChannelConnector, *, managed_by: str, unregister: bool = False
    ) -> ConnectorRow:
        """The same for a resource that was checked. A row of the same id and manager with another uid is taken over.

        Raises NoSuchMembersError, and AlreadyThereError: somebody else manages it, or it was of another channel or
        name.
        """
        members = resource.spec.inbox.members
        known = await self._directory.users(members)
        if unknown := [one for one in members if one not in known]:
            raise NoSuchMembersError(unknown)
        spec = resource.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        if unregister:
            spec["state"] = UNREGISTERING
        connector = ConnectorRow(
            uid=uid, name=resource.id, channel=resource.spec.channel, managed_by=managed_by, spec=spec
        )
        if (before := await self._channels.connector(uid)) is not None:
            before.check_change(connector)  # before a topic is made
        await self._log.create([outbound_topic(resource.id)])
        await self._channels.put_connector(connector)
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

    async def reports(self, uids: Sequence[str]) -> Mapping[str, Sequence[Report]]:
        """What the pods of each of these connectors have reported lately."""
        return await self._channels.reports(uids, since=_now() - FRESH_REPORT_MS)

    async def disable(self, uid: str, *, managed_by: str) -> ConnectorRow:
        """Have it stand still until it is put again: what comes for it waits. One that is being removed stays so.

        Raises Refusal not-found, conflict: somebody else manages it.
        """
        known = await self.one(uid)
        _check_manager(known, managed_by)
        if known.state not in {DISABLED, REMOVING}:
            await self._channels.set_state(uid, DISABLED, at=_now())
        return await self.one(uid)

    async def remove(self, uid: str, *, managed_by: str) -> None:
        """Forget it; what it has not sent becomes failed. Raises Refusal conflict: somebody else manages it."""
        known = await self._channels.connector(uid)
        if known is None:
            return
        _check_manager(known, managed_by)
        # From now on nothing more is planned for it; asked again after a crash, this goes on.
        await self._channels.set_state(uid, REMOVING)
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
        if (length := config_bytes(checked.spec.config)) > MAX_CONFIG_BYTES:
            sentence = f"It has {length} bytes as canonical JSON; it may have at most {MAX_CONFIG_BYTES}."
            raise invalid("resource.spec.config", sentence)
        try:
            manifest.config.model_validate(checked.spec.config)
        except pydantic.ValidationError as error:
            raise _invalid(error, "resource.spec.config") from None
        return checked


def _check_manager(known: ConnectorRow, managed_by: str) -> None:
    if known.managed_by != managed_by:
        raise Refusal("conflict", f"{known.name} is managed by {known.managed_by}.")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _invalid(error: pydantic.ValidationError, below: str) -> Refusal:
    """Names each field; never with what stands there."""
    found = error.errors(include_input=False, include_url=False)[:50]
    fields = tuple(FieldError(".".join((below, *map(str, one["loc"]))), one["msg"]) for one in found)
    return Refusal("invalid", f"Not valid: {', '.join(one.field for one in fields[:5])}.", errors=fields)
