"""The roles that a process may play; embedded mode plays them all."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from chat4all.processes.roles.api import Api
from chat4all.processes.roles.connector import Connector
from chat4all.processes.roles.gateway import Gateway
from chat4all.processes.roles.router import Router

if TYPE_CHECKING:
    from chat4all.processes.process import Process


class Role(Protocol):
    """A role of one process. What it is made of is made at once, and raises StartError for what the settings lack."""

    def __init__(self, process: "Process") -> None: ...

    async def start(self, epoch: int) -> None:
        """Start its loops; the engines are there. `epoch`: of the log. Raises StartError."""
        ...

    async def serve(self) -> None:
        """Let clients in; every role has started."""
        ...


ROLES: Final[Mapping[str, type[Role]]] = {"api": Api, "gateway": Gateway, "router": Router, "connector": Connector}
ALL: Final = ("connector", "router", "gateway", "api")  # in the order in which they start where one process plays them
