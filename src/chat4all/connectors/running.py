"""The connectors that run in this process: how each is made, run, started again after a fault, and posted to."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from chat4all.backoff import Backoff
from chat4all.channels.kit import errors
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.port import Part, Post
from chat4all.connectors.attempts import Attempts
from chat4all.connectors.connector import Connector, mode_of
from chat4all.connectors.courier import Courier
from chat4all.connectors.files import DeclaredConnector
from chat4all.connectors.health import ConnectorStatus, Reporter, Trouble
from chat4all.connectors.inbound import Inbound
from chat4all.connectors.parking import LedgerParking
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import ChannelDirectory
from chat4all.directory.port import Directory
from chat4all.limits.port import Limits
from chat4all.log.port import Log
from chat4all.model.connector_reasons import Code
from chat4all.model.errors import Refusal
from chat4all.model.rates import Rate
from chat4all.store.ledger import Ledger
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

_log = logging.getLogger(__name__)

_FIRST_RESTART_SECONDS: Final = 5.0  # until a connector that ended by a fault is started again
_MAX_RESTART_SECONDS: Final = 300.0
_FAULT: Final = "It ended by a fault, and is started again; the server's log says which."

Share = Callable[[], int | None]


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


class RunningConnectors:
    """`holder`: this process, in leases; `on_outbox_change`: called when the outbox may have something new."""

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
        self._pod = settings.pod_name()
        self._running: dict[tuple[str, str], Connector] = {}  # by channel and uid
        self._reporters: dict[str, Reporter] = {}  # by uid

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

    def reporter(self, uid: str) -> Reporter:
        """Return what tells how this connector is here."""
        if uid not in self._reporters:
            self._reporters[uid] = Reporter(self._engines.channels, uid, self._pod)
        return self._reporters[uid]

    async def keep(self, one: DeclaredConnector, uid: str, share: Share = lambda: None) -> None:
        """Run a connector until cancelled; one that ends by a fault is started again. `share`: among how many processes
        its limit is divided while they cannot count together, asked each time; None: as is set."""
        backoff = Backoff(_FIRST_RESTART_SECONDS, _MAX_RESTART_SECONDS)
        while True:
            began = time.monotonic()
            try:
                await self._run(one, uid, share)
            except Exception:  # noqa: BLE001 - one connector's fault must not end the others
                if time.monotonic() - began >= _MAX_RESTART_SECONDS:
                    backoff.succeeded()
                wait = backoff.failed()
                _log.exception("Connector %s ended, and is started again in %.0f s", one.resource.id, wait)
                status = ConnectorStatus(mode=mode_of(one.config, self._settings.public_url))
                status.say(Trouble(Code.FAULT, _FAULT))
                await self.reporter(uid).keep_telling(status, wait)

    async def _run(self, one: DeclaredConnector, uid: str, share: Share) -> None:
        client = ProviderClient(
            str(getattr(one.config, "base_url", "")), answer_seconds=self._settings.attempt_seconds * 0.75
        )
        place = one.manifest.name, uid
        connector = self._running[place] = self._made(one, uid, client, share)
        try:
            await connector.run()
        finally:
            if self._running.get(place) is connector:
                del self._running[place]
            await client.close()

    def _made(self, one: DeclaredConnector, uid: str, client: ProviderClient, share: Share) -> Connector:
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
            share=share,
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
        mode = mode_of(one.config, self._settings.public_url)
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
            reporter=self.reporter(uid),
            mode=mode,
            holder=self._holder,
            metrics=engines.metrics,
            parking=LedgerParking(engines.ledger, name),
            traces=engines.traces,
            url=f"{public}/hooks/{one.manifest.name}/{uid}" if mode == "Webhook" else "",
        )
