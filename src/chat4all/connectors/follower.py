"""One connector whose row somebody else keeps: an operator, by the internal API. This process registers nothing.

The row is read again every few seconds, and its credentials when their folder has changed; what has changed holds
without a restart of the process. Where something is missing, nothing runs, and readiness and the row say why.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pydantic

from chat4all.channels.kit import registry
from chat4all.channels.kit.manifest import Manifest
from chat4all.channels.kit.resource import GROUP, ChannelConnector
from chat4all.connectors.files import DeclaredConnector
from chat4all.connectors.running import RunningConnectors
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.channels import REMOVING, ChannelDirectory, ConnectorRow
from chat4all.model.errors import EngineUnavailableError, StartError
from chat4all.model.rows import iso

_logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 30.0  # what is being sent gets 10, and closing takes its time
_MAX_KEY_BYTES: Final = 64 * 1024
_DATA: Final = "..data"  # the link that Kubernetes changes when a mounted Secret has changed, all of it at once


class _WaitingError(Exception):
    """The connector cannot run yet. The message says what is missing."""


class _Running(NamedTuple):
    """What runs, and the task that it runs in."""

    wanted: DeclaredConnector
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
        self._uid = settings.uid
        self._folder = settings.credentials_dir
        self._public_url = settings.public_url
        self._manifests = registry.installed()
        self._current: _Running | None = None
        self._told = ""  # to the row
        self._problem: str | None = "the row has not been read yet"
        self._read: tuple[object, Mapping[str, str]] = (None, {})  # what the folder was like, and what was in it

    def problem(self) -> str | None:
        """Return why the connector does not run; None: it does, or is paused."""
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
        """Read the row and the credentials, and run what they say."""
        try:
            row = await self._channels.connector(self._uid)
        except EngineUnavailableError as error:
            _logger.warning("The row is read later: %s", error)
            return
        try:
            wanted = self._wanted(row)
        except _WaitingError as error:
            await self._wait(str(error), row)
        else:
            await self._tell("")
            self._problem = None
            if self._current is None or self._current.wanted != wanted or self._has_ended():
                await self._stop()
                self._start(wanted)

    def _wanted(self, row: ConnectorRow | None) -> DeclaredConnector:
        if row is None:
            raise _WaitingError(f"There is no connector {self._uid} (CHAT4ALL_CHANNELS__UID); it waits for its row.")
        manifest = self._manifests.get(row.channel)
        if manifest is None:
            raise _WaitingError(f"There is no channel {row.channel} in this image.")
        state = row.spec.get("state", "Running")
        namespace, _, name = row.name.partition(".")
        resource = {
            "apiVersion": GROUP,
            "kind": "ChannelConnector",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {**row.spec, "state": "Paused" if state == REMOVING else state},
        }
        try:
            checked = ChannelConnector.model_validate(resource)
            config = manifest.config.model_validate(checked.spec.config)
        except pydantic.ValidationError as error:
            fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
            raise _WaitingError(f"The row of {row.name} is not valid: {fields}.") from None
        if getattr(config, "mode", None) == "Webhook" and not self._public_url:
            raise _WaitingError("It wants a webhook: set CHAT4ALL_CHANNELS__PUBLIC_URL, or mode: Polling.")
        return DeclaredConnector(checked, manifest, self._credentials(manifest), config)

    def _credentials(self, manifest: Manifest) -> pydantic.BaseModel:
        given = self._given()
        fields = manifest.credentials.model_fields
        names = {field.alias or name for name, field in fields.items()}
        required = {field.alias or name for name, field in fields.items() if field.is_required()}
        if lacking := sorted(required - set(given)):
            raise _WaitingError(
                f"CHAT4ALL_CHANNELS__CREDENTIALS_DIR: {self._folder} has no key {', '.join(lacking)}; it waits for it."
            )
        try:
            return manifest.credentials.model_validate({key: given[key] for key in names & set(given)})
        except pydantic.ValidationError as error:
            keys = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_input=False))
            raise _WaitingError(f"The credentials in {self._folder} are not valid: {keys}.") from None

    def _given(self) -> Mapping[str, str]:
        """What is in the folder, by key: read again when it has changed."""
        try:
            state = _state(self._folder)
            if state != self._read[0]:
                self._read = state, {file.name: _text(file) for file in _keys(self._folder)}
        except OSError as error:
            raise _WaitingError(
                f"CHAT4ALL_CHANNELS__CREDENTIALS_DIR: cannot read {self._folder}: {error.strerror}."
            ) from error
        return self._read[1]

    async def _wait(self, why: str, row: ConnectorRow | None) -> None:
        await self._stop()
        if why != self._problem:
            _logger.warning("%s", why)
        self._problem = why
        if row is not None:
            await self._tell(why)

    async def _tell(self, problem: str) -> None:
        """Have the row say what is wrong, once; what could not be told is told the next time."""
        if problem != self._told:
            with contextlib.suppress(EngineUnavailableError):
                await self._channels.report(self._uid, {"problem": problem, "at": iso(time.time_ns() // 1_000_000)})
                self._told = problem

    def _has_ended(self) -> bool:
        """Whether what is to run does not, though nobody stopped it."""
        current = self._current
        return current is not None and current.wanted.resource.spec.state == "Running" and current.task.done()

    def _start(self, wanted: DeclaredConnector) -> None:
        task = asyncio.create_task(self._keep(wanted))
        self._current = _Running(wanted, task)

    async def _keep(self, wanted: DeclaredConnector) -> None:
        """Run it; one that is paused takes and sends nothing, and what comes waits in the log."""
        if wanted.resource.spec.state == "Running":
            await self.running.keep(wanted, self._uid)

    async def _stop(self) -> None:
        if self._current is not None:
            self._current.task.cancel()
            await asyncio.wait({self._current.task}, timeout=_STOP_SECONDS)
            self._current = None


def _keys(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if not file.name.startswith("..") and file.is_file()]


def _state(folder: Path) -> object:
    """What is different when the folder has changed: where its `..data` leads, or its files' times."""
    link = folder / _DATA
    if link.is_symlink():
        return str(link.readlink())
    return sorted((file.name, file.stat().st_mtime_ns) for file in _keys(folder))


def _text(file: Path) -> str:
    """A key's value, without the newline that a tool may have put at its end."""
    if file.stat().st_size > _MAX_KEY_BYTES:
        raise _WaitingError(f"Key {file.name} in {file.parent} has more than {_MAX_KEY_BYTES} bytes.")
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _WaitingError(f"Key {file.name} in {file.parent} is no text in UTF-8.") from None
