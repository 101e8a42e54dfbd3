"""The gateway: WebSockets, and whoever is at them."""

from typing import TYPE_CHECKING

from chat4all.api import health
from chat4all.gateway import hub
from chat4all.gateway.endpoint import Endpoint
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.process import Process


class GatewayRole:
    """The role gateway: see chat4all.processes.roles.ProcessRole."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self.hub = hub.Hub(process.engines.realtime, process.services.of_sessions())
        self.websockets = Endpoint(self.hub, process.services.tokens)
        process.websockets = self.websockets

    async def start(self, epoch: int) -> None:
        _ = epoch
        self._process.loops.start("gateway", self.hub.run())
        self._process.loops.start("websockets", self.websockets.run())

    async def serve(self) -> None:
        """Where the API is in the same process, WebSockets come to its port."""
        if self._process.listens(addresses.GATEWAY):
            app = health.create(self._process.operations)
            await self._process.serve(app, addresses.GATEWAY, self.websockets)
