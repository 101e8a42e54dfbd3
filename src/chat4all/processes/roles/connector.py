"""The connectors: those of files, of TELEGRAM_TOKEN, and of a simulator."""

from typing import TYPE_CHECKING

from chat4all.api import hooks
from chat4all.connectors.supervisor import Supervisor
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.host import Host


class ConnectorRole:
    """The role runs the connectors of files, of TELEGRAM_TOKEN and of a simulator."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self.supervisor = Supervisor(
            host.engines,
            host.settings.channels,
            holder=host.holder,
            on_outbox_change=self._on_outbox_change,
        )
        host.status = self.supervisor.status
        host.hooks = self.supervisor.receive

    async def start(self, epoch: int) -> None:
        _ = epoch
        await self._host.until_there(self.supervisor.register)
        self._host.loops.start("connectors", self.supervisor.run())

    def _on_outbox_change(self) -> None:
        self._host.on_outbox_change()

    async def serve(self) -> None:
        """Where the API is in the same process, providers post to its port."""
        if self._host.listens(addresses.CONNECTORS):
            await self._host.serve_plain(hooks.create(self.supervisor.receive), addresses.CONNECTORS)
