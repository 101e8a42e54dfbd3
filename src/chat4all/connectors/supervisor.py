"""Which connectors run in this process, and what each of them is made of."""

import asyncio
import contextlib
import dataclasses
import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from chat4all.backoff import Backoff
from chat4all.channels.kit import errors, registry
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.port import Part, Post
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors import files
from chat4all.connectors import simulator as simulator_connector
from chat4all.connectors.attempts import Attempts
from chat4all.connectors.connector import Connector, Mode
from chat4all.connectors.courier import Courier
from chat4all.connectors.inbound import Inbound
from chat4all.connectors.parking import LedgerParking
from chat4all.connectors.registration import ConnectorRegistry
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import ChannelDirectory, Link, NoSuchMembersError
from chat4all.directory.port import AlreadyThereError, Directory
from chat4all.limits.port import Limits
from chat4all.log.port import Log
from chat4all.model.errors import EngineUnavailableError, Refusal, StartError
from chat4all.model.rates import Rate
from chat4all.store.ledger import Ledger
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

_log = logging.getLogger(__name__)

_UID: Final = uuid.UUID("4f6a2d80-3e17-5b9c-a2c4-8d1e5f7b0a36")  # the namespace of uids of connectors from files
TELEGRAM: Final = "TELEGRAM_TOKEN"  # the variable that holds a bot's
_FIRST_RESTART_SECONDS: Final = 5.0  # until a connector that ended by a fault is started again
_MAX_RESTART_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 12.0
_FILE: Final = "file"  # who manages what stands in a file


class ConnectorEngines(Protocol):
    """The engines that a connector works with."""

    @property
    def log(self) -> Log: ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def directory(self) -> Directory: ...

    @property
    def channels(self) -> ChannelDirectory: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def traces(self) -> Traces: ...


class Supervisor:
    """The connectors of files, of TELEGRAM_TOKEN and of a simulator, each in a task.

    `holder`: this process, in leases; `on_outbox_change`: called when the outbox may have something new.
    """

    def __init__(
        self,
        engines: ConnectorEngines,
        settings: ChannelsSettings,
        *,
        holder: str,
        on_outbox_change: Callable[[], None],
    ) -> None:
        self._engines = engines
        self._settings = settings
        self._holder = holder
        self._on_outbox_change = on_outbox_change
        self._declared = declared(settings)
        self._simulator_declared = False
        self.registration = registration(engines)
        self._running: dict[tuple[str, str], Connector] = {}  # by channel and uid

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
        for one in self._declared:
            try:
                await self.registration.put(uid_of(one.resource.id), one.resource, managed_by=_FILE)
            except NoSuchMembersError as error:
                raise StartError(f"The inbox of connector {one.resource.id} names nobody: {error}.") from error
            except AlreadyThereError as error:
                raise StartError(f"Connector {one.resource.id}: {error}.") from error
        if not self._settings.connector:  # else others run the others
            await self._forget()
        if demo is not None:
            with contextlib.suppress(AlreadyThereError):
                await engines.channels.add_link(demo)

    async def _forget(self) -> None:
        """Connectors of files that are gone."""
        wanted = {uid_of(one.resource.id) for one in self._declared}
        for row in await self.registration.all():
            if row.managed_by == _FILE and row.uid not in wanted:
                _log.warning("Connector %s is in no file any more; what it had not sent is failed", row.name)
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
        tasks = [asyncio.create_task(self._keep(one)) for one in self._declared if one.resource.spec.state == "Running"]
        try:
            await asyncio.Event().wait()
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_STOP_SECONDS)

    def status(self) -> Mapping[str, Any]:
        """How each that runs here is, by its id."""
        return {one.name: dataclasses.asdict(one.status) for one in self._running.values()}

    async def receive(self, channel: str, uid: str, headers: Mapping[str, str], body: bytes) -> None:
        """A provider has posted. Raises Refusal, EngineUnavailableError."""
        connector = self._running.get((channel, uid))
        if connector is None or connector.status.mode != "Webhook":
            raise Refusal("not-found", "There is no such connector, or it is not posted to.")
        try:
            await connector.receive(Post(headers, body))
        except errors.NotGenuineError as error:
            raise Refusal("unauthenticated", error.sentence) from error
        except errors.MalformedError as error:
            raise Refusal("malformed", error.sentence) from error

    async def _keep(self, one: files.DeclaredConnector) -> None:
        backoff = Backoff(_FIRST_RESTART_SECONDS, _MAX_RESTART_SECONDS)
        while True:
            began = time.monotonic()
            try:
                await self._run(one)
            except Exception:  # noqa: BLE001 - one connector's fault must not end the others
                if time.monotonic() - began >= _MAX_RESTART_SECONDS:
                    backoff.succeeded()
                wait = backoff.failed()
                _log.exception("Connector %s ended, and is started again in %.0f s", one.resource.id, wait)
                fault = {"problem": "It ended by a fault, and is started again; the server's log says which."}
                with contextlib.suppress(EngineUnavailableError):
                    await self._engines.channels.report(uid_of(one.resource.id), fault)
                await asyncio.sleep(wait)

    async def _run(self, one: files.DeclaredConnector) -> None:
        client = ProviderClient(
            str(getattr(one.config, "base_url", "")), answer_seconds=self._settings.attempt_seconds * 0.75
        )
        uid = uid_of(one.resource.id)
        place = one.manifest.name, uid
        connector = self._running[place] = self._made(one, uid, client)
        try:
            await connector.run()
        finally:
            self._running.pop(place, None)
            await client.close()

    def _made(self, one: files.DeclaredConnector, uid: str, client: ProviderClient) -> Connector:
        engines, spec, name = self._engines, one.resource.spec, one.resource.id
        channel = one.manifest.load()(client, one.credentials, one.config)
        rate = Rate(spec.rate_limit.per_second, max(1, int(spec.rate_limit.per_second))) if spec.rate_limit else None

        async def reply(chat: str, text: str) -> None:
            with contextlib.suppress(errors.ChannelError):
                await channel.send(Part(chat=chat, text=text))

        courier = Courier(
            connector=name,
            channel=channel,
            capabilities=one.manifest.capabilities,
            attempts=Attempts(
                engines.ledger,
                lease_seconds=self._settings.attempt_seconds,
                on_uncertain=spec.on_uncertain,
                on_outcome=lambda outcome: engines.metrics.attempts.labels(name, outcome).inc(),
            ),
            ledger=engines.ledger,
            log=engines.log,
            channels=engines.channels,
            limits=engines.limits,
            per_second=rate,
        )
        inbound = Inbound(
            connector=name,
            channel=one.manifest.name,
            inbox=spec.inbox.members,
            channels=engines.channels,
            ledger=engines.ledger,
            log=engines.log,
            reply=reply,
            on_outbox_change=self._on_outbox_change,
            metrics=engines.metrics,
            traces=engines.traces,
        )
        mode = self._mode(one)
        public = self._settings.public_url.rstrip("/")
        return Connector(
            uid=uid,
            name=name,
            channel=channel,
            courier=courier,
            inbound=inbound,
            log=engines.log,
            directory=engines.directory,
            channels=engines.channels,
            mode=mode,
            holder=self._holder,
            metrics=engines.metrics,
            parking=LedgerParking(engines.ledger, name),
            traces=engines.traces,
            url=f"{public}/hooks/{one.manifest.name}/{uid}" if mode == "Webhook" else "",
        )

    def _mode(self, one: files.DeclaredConnector) -> Mode:
        """Webhook where providers can reach us, unless it says otherwise."""
        asked: Mode | None = getattr(one.config, "mode", None)
        return asked or ("Webhook" if self._settings.public_url else "Polling")


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
            "credentialsSecretRef": {"name": TELEGRAM},
            "inbox": {"members": settings.inbox},
        },
    }
    credentials = manifest.credentials.model_validate({"botToken": token})
    return files.DeclaredConnector(
        ChannelConnector.model_validate(resource), manifest, credentials, manifest.config.model_validate({})
    )
