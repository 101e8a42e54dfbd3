"""Unregistering: the provider forgets where it was to post for a connector, and the pod reports that."""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

import pydantic

from chat4all.backoff import Backoff
from chat4all.channels.kit import errors, registry
from chat4all.channels.kit.http import ProviderClient
from chat4all.channels.kit.manifest import Manifest
from chat4all.connectors.connector import mode_of
from chat4all.connectors.credentials import CredentialsFolder
from chat4all.connectors.health import ConnectorStatus, Reporter, Trouble
from chat4all.connectors.rows import CheckedRow, NotReadyError, checked
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import UNREGISTERING, ChannelDirectory
from chat4all.model.connector_reasons import Code
from chat4all.model.errors import EngineUnavailableError, StartError

_log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 1.0
_MAX_RETRY_SECONDS: Final = 15.0

Credentials = Callable[[Manifest], pydantic.BaseModel]  # raises NotReadyError


class Unregistering:
    """Takes away what the provider has of one connector. `credentials`: reads those of the connector, where they are
    needed."""

    def __init__(
        self,
        row: CheckedRow,
        uid: str,
        *,
        credentials: Credentials,
        channels: ChannelDirectory,
        reporter: Reporter,
        settings: ChannelsSettings,
    ) -> None:
        self._row = row
        self._uid = uid
        self._credentials = credentials
        self._channels = channels
        self._reporter = reporter
        self._settings = settings
        self._lasts = False  # what is wrong does not pass by itself
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        mode = mode_of(row.config, settings.public_url)
        self.status = ConnectorStatus(mode=mode, reason=Code.UNREGISTER_FAILED, problem="it was not tried yet")
        self.status.role = "receives" if mode == "Webhook" else "sends"

    async def keep(self) -> None:
        """Do it, however often that has to be tried, and go on telling it, until cancelled."""
        while (wait := await self.once()) is not None:
            _log.warning("%s is unregistered later: %s", self._row.resource.id, self.status.problem)
            await self._reporter.keep_telling(self.status, wait)
        await self._reporter.keep_telling(self.status, math.inf)

    async def until_told(self) -> None:
        """Do it, and return when it is reported. Raises StartError for what does not pass by itself; that is reported
        too."""
        while (wait := await self.once()) is not None:
            await self._reporter.tell(self.status)
            if self._lasts:
                raise StartError(self.status.problem)
            await asyncio.sleep(wait)
        told = await self._reporter.tell(self.status)
        while not told:
            await asyncio.sleep(_FIRST_RETRY_SECONDS)
            told = await self._reporter.tell(self.status)

    async def once(self) -> float | None:
        """Try it once. Return None if it is done, or the seconds after which to try again; the status says why."""
        try:
            await self._take_away()
        except NotReadyError as error:
            self.status.say(error.trouble)
            self._lasts = True
        except (errors.ChannelError, EngineUnavailableError) as error:
            sentence = f"{self._row.resource.id} could not be unregistered: {error}"
            self.status.say(Trouble(Code.UNREGISTER_FAILED, sentence))
            self._lasts = isinstance(error, errors.CredentialsError | errors.RejectedError)
            if isinstance(error, errors.ThrottledError):
                return error.retry_after
        else:
            self.status.unregistered, self.status.registered = True, False
            self.status.say(Trouble(Code.UNREGISTERED, ""))
            return None
        return self._backoff.failed()

    async def _take_away(self) -> None:
        """Nothing is taken away from whoever has the account now, where that is another connector. Raises ChannelError,
        EngineUnavailableError, NotReadyError."""
        if self.status.mode != "Webhook":
            return
        credentials = self._credentials(self._row.manifest)
        base_url = str(getattr(self._row.config, "base_url", ""))
        client = ProviderClient(base_url, answer_seconds=self._settings.attempt_seconds * 0.75)
        try:
            channel = self._row.manifest.load()(client, credentials, self._row.config)
            account = await channel.account()
            self.status.account, self.status.authenticated = account.name, True
            if await self._channels.claim_account(self._uid, account.id):
                await channel.register("")
        finally:
            await client.close()


async def unregister(channels: ChannelDirectory, settings: ChannelsSettings, *, seconds: float) -> str:
    """Unregister the connector of the settings, whose row has to say so, within so many seconds; its id once that is
    reported. Raises StartError that says why it was not done."""
    if not settings.uid:
        raise StartError("Nobody knows which connector is meant: set CHAT4ALL_CHANNELS__UID.")
    why = ConnectorStatus(problem="the directory gave no answer")
    try:
        async with asyncio.timeout(seconds):
            row = await _row(channels, settings.uid, why)
            credentials = _credentials(settings)
            reporter = Reporter(channels, settings.uid, settings.pod_name())
            work = Unregistering(
                row, settings.uid, credentials=credentials, channels=channels, reporter=reporter, settings=settings
            )
            why = work.status
            await work.until_told()
    except TimeoutError:
        raise StartError(f"It was not unregistered within {seconds:g} s: {why.problem}") from None
    except NotReadyError as error:
        raise StartError(str(error)) from error
    return row.resource.id


async def _row(channels: ChannelDirectory, uid: str, why: ConnectorStatus) -> CheckedRow:
    """The row, however often the directory has to be asked. Raises NotReadyError, StartError."""
    while True:
        try:
            row = checked(await channels.connector(uid), uid, registry.installed())
        except EngineUnavailableError as error:
            why.problem = str(error)
            await asyncio.sleep(_FIRST_RETRY_SECONDS)
        else:
            break
    if row.state != UNREGISTERING:
        raise StartError(f"{row.resource.id} is {row.state}: register it with unregister: true before.")
    return row


def _credentials(settings: ChannelsSettings) -> Credentials:
    if settings.credentials_dir is None:
        raise StartError("CHAT4ALL_CHANNELS__UID is set: set CHAT4ALL_CHANNELS__CREDENTIALS_DIR too.")
    folder = CredentialsFolder(settings.credentials_dir)
    return folder.of
