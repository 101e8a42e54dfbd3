"""The connectors: those of files, of TELEGRAM_TOKEN, and of a simulator."""

from typing import TYPE_CHECKING

from chat4all.api import hooks
from chat4all.connectors.supervisor import Supervisor
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.process import Process


class ConnectorRole:
    """The role connector: see chat4all.processes.roles.ProcessRole."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self.supervisor = Supervisor(
            process.engines,
            process.settings.channels,
            holder=process.holder,
            on_outbox_change=self._on_outbox_change,
        )
        process.status = self.supervisor.status
        process.hooks = self.supervisor.receive

    async def start(self, epoch: int) -> None:
        _ = epoch
        await self._process.until_there(self.supervisor.register)
        self._process.loops.start("connectors", self.supervisor.run())

    def _on_outbox_change(self) -> None:
        self._process.on_outbox_change()

    async def serve(self) -> None:
        """Where the API is in the same process, providers post to its port."""
        if self._process.listens(addresses.CONNECTORS):
            await self._process.serve_plain(hooks.create(self.supervisor.receive), addresses.CONNECTORS)
