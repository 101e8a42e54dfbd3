"""What a role works with: the process that hosts it, as the role sees it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.applications import Starlette

from chat4all.api.health import Operations
from chat4all.api.services import Hooks
from chat4all.gateway.endpoint import Endpoint
from chat4all.processes.config import Settings
from chat4all.processes.engines import Engines
from chat4all.processes.loops import Loops
from chat4all.processes.services import Services


class Host(Protocol):
    """A role adds to its host what other roles and whoever runs it may need.

    `websockets`: the gateway's, if it is one of the roles; `hooks`: what takes posts of providers, if connectors are;
    `on_outbox_change`: called when the outbox may have something new; `status`: how each connector is, by its id;
    `checks`: what is wrong, by name, None where it is well; `holder`: the name of the process in leases.
    """

    engines: Engines
    settings: Settings
    loops: Loops
    holder: str
    websockets: Endpoint | None
    hooks: Hooks | None
    on_outbox_change: Callable[[], None]
    status: Callable[[], Mapping[str, Any]]
    checks: dict[str, Callable[[], str | None]]

    @property
    def services(self) -> Services:
        """What the API and the gateway work with. Raises StartError."""
        ...

    @property
    def operations(self) -> Operations:
        """What may be asked of the process by whoever runs it."""
        ...

    async def until_there(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work when the engines are there. Raises EngineUnavailableError where they are the process's own."""
        ...

    async def serve(self, app: FastAPI | Starlette, address: str, websockets: Endpoint | None = None) -> None:
        """Serve an application, and WebSockets perhaps, on one of the bound sockets until the process ends."""
        ...

    async def serve_plain(self, app: FastAPI | Starlette, address: str) -> None:
        """Serve an application that few ask on one of the bound sockets until the process ends."""
        ...

    def listens(self, address: str) -> bool:
        """Whether the process has a socket of this name."""
        ...
