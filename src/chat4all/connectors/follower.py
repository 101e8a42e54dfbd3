"""One connector whose row somebody else keeps: an operator, by the internal API. This process registers nothing.

The row is read again every few seconds, and its credentials when their folder has changed; what has changed holds
without a restart of the process. Where something is missing, nothing runs, and readiness and the row say why.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple

from chat4all.channels.kit import registry
from chat4all.channels.kit.resource import ChannelConnector
from chat4all.connectors.credentials import CredentialsFolder
from chat4all.connectors.files import DeclaredConnector
from chat4all.connectors.health import ConnectorStatus, Trouble
from chat4all.connectors.rows import CheckedRow, NotReadyError, checked
from chat4all.connectors.running import RunningConnectors
from chat4all.connectors.settings import ChannelsSettings
from chat4all.connectors.unregistering import Unregistering
from chat4all.directory.channels import DISABLED, UNREGISTERING, ChannelDirectory, ConnectorRow
from chat4all.log.port import outbound_topic
from chat4all.model.connector_reasons import Code
from chat4all.model.errors import EngineUnavailableError, StartError

_logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 30.0  # what is being sent gets 10, and closing takes its time
# What a running connector does not depend on: it goes on where only this has changed.
_OTHERS: Final = {"replicas": 1, "autoscaling": None, "deletion_policy": "Unregister"}


class _Work(NamedTuple):
    """What is done for the connector: `what` is equal as long as it may go on."""

    what: tuple[str, Any]
    task: asyncio.Task[None]


class Follower:
    """The connector of `CHAT4ALL_CHANNELS__UID`, whose row is in `channels`. `running`: runs it.

    Raises StartError where the settings name no folder of credentials.
    """

    def __init__(self, channels: ChannelDirectory, settings: ChannelsSettings, running: RunningConnectors) -> None:
        if settings.credentials_dir is None:
            raise StartError("CHAT4ALL_CHANNELS__UID is set: set CHAT4ALL_CHANNELS__CREDENTIALS_DIR too.")
        self.running = running
        self._channels = channels
        self._settings = settings
        self._uid = settings.uid
        self._credentials = CredentialsFolder(settings.credentials_dir)
        self._manifests = registry.installed()
        self._reporter = running.reporter(settings.uid)
        self._work: _Work | None = None
        self._account = ""  # as people call it
        self._share = 1
        self._problem: str | None = "the row has not been read yet"

    def problem(self) -> str | None:
        """Return why the connector does not run; None: it does, or is not to."""
        return self._problem

    async def register(self) -> None:
        """Do nothing: somebody else registers it."""

    async def run(self) -> None:
        """Follow the row until cancelled."""
        try:
            while True:
                await self._look()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await self._stop()

    async def _look(self) -> None:
        """Read the row and the credentials, and do what they say."""
        try:
            row = await self._channels.connector(self._uid)
        except EngineUnavailableError as error:
            _logger.warning("The row is read later: %s", error)
            return
        try:
            await self._follow(row)
        except NotReadyError as error:
            await self._wait(error)
        else:
            self._problem = None

    async def _follow(self, row: ConnectorRow | None) -> None:
        """Raises NotReadyError."""
        self._account = str(row.status.get("account", "")) if row is not None else ""
        found = checked(row, self._uid, self._manifests)
        self._share = share(found.resource)
        if found.state == UNREGISTERING:
            await self._do(("unregister", found), self._unregistering(found).keep)
        elif found.resource.spec.state == "Running":
            wanted = self._wanted(found)
            await self._do(("run", _alike(wanted)), lambda: self.running.keep(wanted, self._uid, lambda: self._share))
        else:  # what comes waits in the log
            await self._stand(Trouble(Code.DISABLED if found.state == DISABLED else Code.PAUSED, ""))

    def _wanted(self, row: CheckedRow) -> DeclaredConnector:
        if getattr(row.config, "mode", None) == "Webhook" and not self._settings.public_url:
            sentence = "It wants a webhook: set CHAT4ALL_CHANNELS__PUBLIC_URL, or mode: Polling."
            raise NotReadyError(Code.NO_PUBLIC_URL, sentence)
        return DeclaredConnector(row.resource, row.manifest, self._credentials.of(row.manifest), row.config)

    def _unregistering(self, row: CheckedRow) -> Unregistering:
        return Unregistering(
            row,
            self._uid,
            credentials=self._credentials.of,
            channels=self._channels,
            reporter=self._reporter,
            settings=self._settings,
        )

    async def _wait(self, error: NotReadyError) -> None:
        if str(error) != self._problem:
            _logger.warning("%s", error)
        self._problem = str(error)
        await self._stand(error.trouble)

    async def _stand(self, trouble: Trouble) -> None:
        """Nothing is sent or received; why is told."""
        await self._stop()
        status = ConnectorStatus(account=self._account)
        status.say(trouble)
        await self._reporter.tell(status)

    async def _do(self, what: tuple[str, Any], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """See that this is done, and nothing else; what ended though nobody stopped it is begun again."""
        if self._work is not None and self._work.what == what and not self._work.task.done():
            return
        await self._stop()
        self._work = _Work(what, asyncio.create_task(work()))

    async def _stop(self) -> None:
        if self._work is not None:
            self._work.task.cancel()
            await asyncio.wait({self._work.task}, timeout=_STOP_SECONDS)
            self._work = None


def share(resource: ChannelConnector) -> int:
    """Return among how many processes the connector's limit is divided: those that have something to send."""
    least = resource.spec.autoscaling.min_replicas if resource.spec.autoscaling is not None else 1
    return max(1, min(max(resource.spec.replicas, least), outbound_topic(resource.id).partitions))


def _alike(wanted: DeclaredConnector) -> DeclaredConnector:
    """Return what is the same for all resources by which the connector would run the same."""
    spec = wanted.resource.spec.model_copy(update=_OTHERS)
    return wanted._replace(resource=wanted.resource.model_copy(update={"spec": spec}))
