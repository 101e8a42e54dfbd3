"""The roles that a process may play; embedded mode plays them all."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from chat4all.processes.roles.api import ApiRole
from chat4all.processes.roles.connector import ConnectorRole
from chat4all.processes.roles.gateway import GatewayRole
from chat4all.processes.roles.router import RouterRole

if TYPE_CHECKING:
    from chat4all.processes.host import Host


class ProcessRole(Protocol):
    """A role of one process. What it is made of is made at once, and raises StartError for what the settings lack."""

    def __init__(self, host: "Host") -> None: ...

    async def start(self, epoch: int) -> None:
        """Start its loops; the engines are there. `epoch`: of the log. Raises StartError."""
        ...

    async def serve(self) -> None:
        """Let clients in; every role has started."""
        ...


ROLES: Final[Mapping[str, type[ProcessRole]]] = {
    "api": ApiRole,
    "gateway": GatewayRole,
    "router": RouterRole,
    "connector": ConnectorRole,
}
ALL: Final = ("connector", "router", "gateway", "api")  # in the order in which they start where one process plays them
