"""The API: REST, the internal API, the outbox's relay, and what is done once an hour."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.api import app, internal
from chat4all.connectors.supervisor import registration
from chat4all.directory.channels import FRESH_REPORT_MS
from chat4all.model.errors import EngineUnavailableError, Refusal, StartError
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.engines import Engines
    from chat4all.processes.host import Host

_logger = logging.getLogger(__name__)

_HOUR_SECONDS: Final = 3600.0
_EVENT_RETENTION_MS: Final = 35 * 86_400_000  # what a provider told before that, it does not tell again


class ApiRole:
    """The role serves REST and the internal API, and relays the outbox."""

    def __init__(self, host: "Host") -> None:
        tokens = host.settings.internal.token_file
        if tokens is None:
            raise StartError("The internal API needs its tokens: set CHAT4ALL_INTERNAL__TOKEN_FILE.")
        self._host = host
        self.internal = internal.create(registration(host.engines), SharedTokens(tokens))
        host.on_outbox_change = host.services.relay.kick

    async def start(self, epoch: int) -> None:
        _ = epoch
        self._host.loops.start("outbox", self._host.services.relay.run())
        self._host.loops.start("retention", _forget(self._host.engines))

    async def serve(self) -> None:
        """The port of the API is the gateway's and the connectors' too where they are in the same process."""
        host = self._host
        services = host.services.of_endpoints(host.operations, hooks=host.hooks or _no_hooks)
        await host.serve_plain(self.internal, addresses.INTERNAL)
        await host.serve(app.create(services, host.engines.traces), addresses.PUBLIC, host.websockets)


async def _forget(engines: "Engines") -> None:
    """Once an hour, let go of records that are old and read, of events that no provider tells again, and of what pods
    reported that are gone."""
    while True:
        now = int(time.time() * 1000)
        try:
            await engines.log.trim()
            await engines.channels.forget_events(before=now - _EVENT_RETENTION_MS)
            await engines.channels.forget_reports(before=now - FRESH_REPORT_MS)
        except EngineUnavailableError as error:
            _logger.warning("Old records and events stay for now: %s", error)
        await asyncio.sleep(_HOUR_SECONDS)


async def _no_hooks(channel: str, uid: str, headers: Mapping[str, str], body: bytes) -> None:
    _ = channel, uid, headers, body
    raise Refusal("not-found", "Providers post to connectors, not here.")
