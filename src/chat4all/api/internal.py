"""/internal/v1: how connectors come to be. On a port of its own, for the operator and for tools; never in the Ingress.

Everything is safe to repeat. A row says who manages it, and nobody else may change it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

import pydantic
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request
from fastapi_offline import FastAPIOffline

from chat4all import __version__
from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.api import problems
from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import VISIBLE
from chat4all.api.middleware import BodyLimit
from chat4all.api.problems import documented
from chat4all.api.services import bearer
from chat4all.directory.channels import ConnectorRow

_MAX_BODY_BYTES = 256 * 1024
_Uid = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A connector's uid.")]
_Manager = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64, pattern=VISIBLE)]
_By = Annotated[str, Query(alias="managedBy", min_length=1, max_length=64, pattern=VISIBLE, description="Who asks.")]


class Registrations(Protocol):
    """Keeps connectors. Every method raises EngineUnavailableError."""

    async def put_raw(self, uid: str, resource: Mapping[str, Any], *, managed_by: str) -> ConnectorRow:
        """Register a connector or change it; `resource` is not checked yet. Raises Refusal invalid, conflict."""
        ...

    async def all(self) -> Sequence[ConnectorRow]:
        """Return all connectors, ordered by name."""
        ...

    async def one(self, uid: str) -> ConnectorRow:
        """Return the connector with this uid. Raises Refusal not-found."""
        ...

    async def remove(self, uid: str, *, managed_by: str) -> None:
        """Remove a connector, if there is one with this uid. Raises Refusal conflict."""
        ...


class Wanted(pydantic.BaseModel):
    """A ChannelConnector, without its Secret. `managedBy`: who may change it."""

    model_config = pydantic.ConfigDict(populate_by_name=True, extra="forbid")

    managed_by: _Manager = pydantic.Field(alias="managedBy")
    resource: dict[str, Any]


class Registered(pydantic.BaseModel):
    """A connector's row."""

    model_config = pydantic.ConfigDict(populate_by_name=True)

    uid: str
    id: str
    channel: str
    managed_by: str = pydantic.Field(alias="managedBy")
    spec: dict[str, Any]
    account: str | None
    status: dict[str, Any]


class Removed(pydantic.BaseModel):
    """It is not there, and perhaps never was."""

    status: Literal["removed"] = "removed"


router = APIRouter(prefix="/internal/v1/connectors", tags=["connectors"], route_class=StrictRoute)


def _registrations(request: Request) -> Registrations:
    registrations: Registrations = request.app.state.registrations
    return registrations


Uses = Annotated[Registrations, Depends(_registrations)]


@router.put("/{uid}", responses=documented("unauthenticated", "conflict", "malformed", "invalid"))
async def put(uses: Uses, uid: _Uid, wanted: Wanted) -> Registered:
    """Register a connector, or what has changed of it: its row, its topic, its inbox."""
    return _answer(await uses.put_raw(uid, wanted.resource, managed_by=wanted.managed_by))


@router.get("", responses=documented("unauthenticated"))
async def list_all(uses: Uses) -> list[Registered]:
    """All of them, by name."""
    return [_answer(one) for one in await uses.all()]


@router.get("/{uid}", responses=documented("unauthenticated", "not-found", "invalid"))
async def show(uses: Uses, uid: _Uid) -> Registered:
    """One of them."""
    return _answer(await uses.one(uid))


@router.delete("/{uid}", responses=documented("unauthenticated", "conflict", "invalid"))
async def remove(uses: Uses, uid: _Uid, managed_by: _By) -> Removed:
    """Forget a connector. What it has not sent becomes failed; its links stay."""
    await uses.remove(uid, managed_by=managed_by)
    return Removed()


def create(registrations: Registrations, tokens: SharedTokens) -> FastAPI:
    """Return the application of the internal API. `tokens`: those that it takes."""

    def check(request: Request) -> None:
        tokens.check(bearer(request))

    app = FastAPIOffline(title="Chat4All, internal", version=__version__, description=__doc__ or "")
    app.state.registrations = registrations
    app.include_router(router, dependencies=[Depends(check)])
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=_MAX_BODY_BYTES)
    return app


def _answer(connector: ConnectorRow) -> Registered:
    return Registered(
        uid=connector.uid,
        id=connector.name,
        channel=connector.channel,
        managed_by=connector.managed_by,
        spec=dict(connector.spec),
        account=connector.account,
        status=dict(connector.status),
    )
