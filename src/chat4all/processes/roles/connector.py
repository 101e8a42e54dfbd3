"""The connectors: those of files, of TELEGRAM_TOKEN and of a simulator; or the one whose row somebody else keeps."""

from typing import TYPE_CHECKING

from chat4all.api import hooks
from chat4all.connectors.follower import Follower
from chat4all.connectors.running import RunningConnectors
from chat4all.connectors.supervisor import Supervisor
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.host import Host


class ConnectorRole:
    """The role runs connectors that it registers itself, or follows the row of one."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        settings = host.settings.channels
        running = RunningConnectors(host.engines, settings, holder=host.holder, on_outbox_change=self._on_outbox_change)
        self.connectors: Supervisor | Follower
        if settings.uid:
            self.connectors = Follower(host.engines.channels, settings, running)
            host.checks["connector"] = self.connectors.problem
        else:
            self.connectors = Supervisor(host.engines, settings, running)
        host.status = running.status
        host.hooks = running.receive

    async def start(self, epoch: int) -> None:
        _ = epoch
        await self._host.until_there(self.connectors.register)
        self._host.loops.start("connectors", self.connectors.run())

    def _on_outbox_change(self) -> None:
        self._host.on_outbox_change()

    async def serve(self) -> None:
        """Where the API is in the same process, providers post to its port."""
        if self._host.listens(addresses.CONNECTORS):
            await self._host.serve_plain(hooks.create(self.connectors.running.receive), addresses.CONNECTORS)
