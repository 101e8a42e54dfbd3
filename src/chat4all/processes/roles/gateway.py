"""The gateway: WebSockets, and whoever is at them."""

from typing import TYPE_CHECKING

from chat4all.api import health
from chat4all.gateway import hub
from chat4all.gateway.endpoint import Endpoint
from chat4all.processes import addresses

if TYPE_CHECKING:
    from chat4all.processes.host import Host


class GatewayRole:
    """The role holds the clients' WebSockets."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self.hub = hub.Hub(host.engines.realtime, host.services.of_sessions())
        self.websockets = Endpoint(self.hub, host.services.tokens)
        host.websockets = self.websockets

    async def start(self, epoch: int) -> None:
        _ = epoch
        self._host.loops.start("gateway", self.hub.run())
        self._host.loops.start("websockets", self.websockets.run())

    async def serve(self) -> None:
        """Where the API is in the same process, WebSockets come to its port."""
        if self._host.listens(addresses.GATEWAY):
            app = health.create(self._host.operations)
            await self._host.serve(app, addresses.GATEWAY, self.websockets)
