"""Which connectors run in this process, where files, TELEGRAM_TOKEN or a simulator say so."""

import asyncio
import contextlib
import logging
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Final

from chat4all.channels.kit import registry
from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors import files
from chat4all.connectors import simulator as simulator_connector
from chat4all.connectors.registration import ConnectorRegistry
from chat4all.connectors.running import ConnectorEngines, RunningConnectors
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import REMOVING, Link, NoSuchMembersError
from chat4all.directory.port import AlreadyThereError
from chat4all.model.errors import StartError

_log = logging.getLogger(__name__)

_UID: Final = uuid.UUID("4f6a2d80-3e17-5b9c-a2c4-8d1e5f7b0a36")  # the namespace of uids of connectors from files
TELEGRAM: Final = "TELEGRAM_TOKEN"  # the variable that holds a bot's
_STOP_SECONDS: Final = 12.0
_FILE: Final = "file"  # who manages what stands in a file


class Supervisor:
    """The connectors of files, of TELEGRAM_TOKEN and of a simulator, each in a task. `running`: runs each of them."""

    def __init__(self, engines: ConnectorEngines, settings: ChannelsSettings, running: RunningConnectors) -> None:
        self._engines = engines
        self._settings = settings
        self._declared = declared(settings)
        self._simulator_declared = False
        self.registration = registration(engines)
        self.running = running

    async def register(self) -> None:
        """Make them all known, before anything is sent. It may be tried again after EngineUnavailableError.

        Raises StartError for what somebody has to fix.
        """
        engines = self._engines
        demo = await self._simulated()
        if self._settings.connector and not self._declared:
            raise StartError(
                f"There is no connector {self._settings.connector} in {self._settings.folder}: see "
                "CHAT4ALL_CHANNELS__CONNECTOR."
            )
        await self._forget()
        for one in self._declared:
            try:
                await self.registration.put(uid_of(one.resource.id), one.resource, managed_by=_FILE)
            except NoSuchMembersError as error:
                raise StartError(f"The inbox of connector {one.resource.id} names nobody: {error}.") from error
            except AlreadyThereError as error:
                raise StartError(f"Connector {one.resource.id}: {error}.") from error
        if demo is not None:
            with contextlib.suppress(AlreadyThereError):
                await engines.channels.add_link(demo)

    async def _forget(self) -> None:
        """Remove connectors of files that are gone, and end a removal that was cut off."""
        wanted = {uid_of(one.resource.id) for one in self._declared}
        others = not self._settings.connector  # else others run the others
        for row in await self.registration.all():
            if row.managed_by != _FILE:
                continue
            if row.uid not in wanted and others:
                _log.warning("Connector %s is in no file any more; what it had not sent is failed", row.name)
                await self.registration.remove(row.uid, managed_by=_FILE)
            elif row.uid in wanted and row.state == REMOVING:
                _log.warning("The removal of connector %s was cut off, and is ended before it begins anew", row.name)
                await self.registration.remove(row.uid, managed_by=_FILE)

    async def _simulated(self) -> Link | None:
        """The simulator's connector is wanted too; who is linked there."""
        if not self._settings.simulator or self._settings.connector not in {"", f"local.{simulator_connector.NAME}"}:
            return None
        met = await simulator_connector.meet(self._settings.simulator)
        if not self._simulator_declared:  # registering is tried again where an engine was away
            _check_ids([*(one.resource.id for one in self._declared), f"local.{simulator_connector.NAME}"])
            self._declared.append(simulator_connector.connector(met, self._settings, registry.installed()["telegram"]))
            self._simulator_declared = True
        return simulator_connector.link(met)

    async def run(self) -> None:
        """Run them until cancelled. One that ends by a fault is started again; the others go on."""
        wanted = [one for one in self._declared if one.resource.spec.state == "Running"]
        tasks = [asyncio.create_task(self.running.keep(one, uid_of(one.resource.id))) for one in wanted]
        try:
            await asyncio.Event().wait()
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)


def registration(engines: ConnectorEngines) -> ConnectorRegistry:
    """What registers connectors on these engines."""
    return ConnectorRegistry(
        log=engines.log,
        ledger=engines.ledger,
        directory=engines.directory,
        channels=engines.channels,
        manifests=registry.installed(),
    )


def uid_of(connector: str) -> str:
    """The uid of a connector that no Kubernetes has given one."""
    return str(uuid.uuid5(_UID, connector))


def declared(settings: ChannelsSettings) -> list[files.DeclaredConnector]:
    """What files and TELEGRAM_TOKEN ask for. Raises StartError that names what is wrong."""
    manifests = registry.installed()
    try:
        found = files.read(settings.folder, manifests)
    except files.FileError as error:
        raise StartError(str(error)) from error
    token = os.environ.get(TELEGRAM, "")
    if token:
        found.append(_of_token(token, settings, manifests["telegram"]))
    _check_ids([one.resource.id for one in found])
    if settings.connector:
        found = [one for one in found if one.resource.id == settings.connector]
    for one in found:
        if getattr(one.config, "mode", None) == "Webhook" and not settings.public_url:
            raise StartError(
                f"Connector {one.resource.id} wants a webhook, and nobody knows where this server is reached: "
                "set CHAT4ALL_CHANNELS__PUBLIC_URL, or mode: Polling."
            )
    return found


def _check_ids(ids: Sequence[str]) -> None:
    twice = [one for one, times in Counter(ids).items() if times > 1]
    if twice:
        raise StartError(
            f"Connector {twice[0]} is there twice: in a file, and by {TELEGRAM} or a simulator. Rename it."
        )


def _of_token(token: str, settings: ChannelsSettings, manifest: Manifest) -> files.DeclaredConnector:
    resource = {
        "apiVersion": GROUP,
        "kind": "ChannelConnector",
        "metadata": {"name": "telegram"},
        "spec": {
            "channel": "telegram",
            "credentialsSecretRef": {"name": "telegram-token"},
            "inbox": {"members": settings.inbox},
        },
    }
    credentials = manifest.credentials.model_validate({"botToken": token})
    return files.DeclaredConnector(
        ChannelConnector.model_validate(resource), manifest, credentials, manifest.config.model_validate({})
    )
