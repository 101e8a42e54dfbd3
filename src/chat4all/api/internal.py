"""/internal/v1: how connectors come to be. On a port of its own, for the operator and for tools; never in the Ingress.

Everything is safe to repeat. A row says who manages it, and nobody else may change it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
import pydantic
from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from fastapi_offline import FastAPIOffline

from chat4all import __version__
from chat4all.accounts.shared_tokens import SharedTokens
from chat4all.api import problems
from chat4all.api.bodies import StrictRoute
from chat4all.api.forms import VISIBLE
from chat4all.api.middleware import BodyLimit
from chat4all.api.problems import documented
from chat4all.api.services import bearer
from chat4all.directory.channels import DISABLED, ConnectorRow, Report
from chat4all.model.rows import iso

_MAX_BODY_BYTES = 256 * 1024
_Uid = Annotated[str, Path(min_length=1, max_length=64, pattern=VISIBLE, description="A connector's uid.")]
_MAX_MANAGER: Final = 128  # characters
_Manager = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=_MAX_MANAGER, pattern=VISIBLE)]
_By = Annotated[
    str, Query(alias="managedBy", min_length=1, max_length=_MAX_MANAGER, pattern=VISIBLE, description="Who asks.")
]
_Whose = Annotated[
    str | None,
    Query(
        alias="managedBy",
        min_length=1,
        max_length=_MAX_MANAGER,
        pattern=VISIBLE,
        description="Only connectors that are managed by this one.",
    ),
]
_IfNoneMatch = Annotated[str | None, Header(description="The ETag of an answer that the client has.")]


class Registrations(Protocol):
    """Keeps connectors. Every method raises EngineUnavailableError."""

    async def put_raw(
        self, uid: str, resource: Mapping[str, Any], *, managed_by: str, unregister: bool = False
    ) -> ConnectorRow:
        """Register a connector or change it; `resource` is not checked yet. `unregister`: its provider is to forget
        it. Raises Refusal invalid, conflict."""
        ...

    async def all(self) -> Sequence[ConnectorRow]:
        """Return all connectors, ordered by name."""
        ...

    async def one(self, uid: str) -> ConnectorRow:
        """Return the connector with this uid. Raises Refusal not-found."""
        ...

    async def reports(self, uids: Sequence[str]) -> Mapping[str, Sequence[Report]]:
        """Return for each of these connectors what its pods have reported lately."""
        ...

    async def disable(self, uid: str, *, managed_by: str) -> ConnectorRow:
        """Have a connector stand still until it is put again. Raises Refusal not-found, conflict."""
        ...

    async def remove(self, uid: str, *, managed_by: str) -> None:
        """Remove a connector, if there is one with this uid. Raises Refusal conflict."""
        ...


class Wanted(pydantic.BaseModel):
    """A ChannelConnector, without its Secret. `managedBy`: who may change it; `unregister`: the provider is to forget
    it, and nothing is sent any more."""

    model_config = pydantic.ConfigDict(populate_by_name=True, extra="forbid")

    managed_by: _Manager = pydantic.Field(alias="managedBy")
    resource: dict[str, Any]
    unregister: pydantic.StrictBool = False


class Manager(pydantic.BaseModel):
    """Who asks."""

    model_config = pydantic.ConfigDict(populate_by_name=True, extra="forbid")

    managed_by: _Manager = pydantic.Field(alias="managedBy")


class ReportAnswer(pydantic.BaseModel):
    """What a pod of a connector told of it in the last 90 seconds.

    `role`: whether it is the pod that receives, or one of those that only send; `authenticated`, `registered`: null
    where this pod does not know; `unregistered`: the provider has nothing of it any more; `rateLimitedUntil`: until
    when the provider makes the whole connector wait, null where it does not: a time that is just past says that it is
    being tried again; `reason`: a code of docs/connectors.md, said in a sentence.
    """

    model_config = pydantic.ConfigDict(populate_by_name=True)

    pod: str
    at: str
    role: Literal["receives", "sends"]
    authenticated: bool | None
    registered: bool | None
    unregistered: bool
    account_name: str = pydantic.Field(alias="accountName")
    rate_limited_until: str | None = pydantic.Field(alias="rateLimitedUntil")
    reason: str
    sentence: str


class Registered(pydantic.BaseModel):
    """A connector's row, and what its pods report.

    `state`: Running, Paused, Unregistering, Disabled or Removing; `disabledAt`: since when, where it is disabled;
    `account`: the provider's id of its account, once that is known.
    """

    model_config = pydantic.ConfigDict(populate_by_name=True)

    uid: str
    id: str
    channel: str
    managed_by: str = pydantic.Field(alias="managedBy")
    spec: dict[str, Any]
    state: str
    disabled_at: str | None = pydantic.Field(alias="disabledAt")
    account: str | None
    reports: list[ReportAnswer]


class RegisteredList(pydantic.BaseModel):
    """Connectors by id. `version`: another one whenever anything in the answer is."""

    version: str
    connectors: list[Registered]


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
    """Register a connector, or what has changed of it: its row, its topic, its inbox.

    A connector of the same id and manager with another uid is taken over: everything of it stays but the uid.
    """
    return await _with_reports(
        uses,
        await uses.put_raw(uid, wanted.resource, managed_by=wanted.managed_by, unregister=wanted.unregister),
    )


@router.get(
    "",
    response_model=RegisteredList,
    responses={**documented("unauthenticated", "invalid"), 304: {"description": "The client has this version."}},
)
async def list_all(uses: Uses, whose: _Whose = None, if_none_match: _IfNoneMatch = None) -> Response:
    """All of them, or all of one manager, by id, with what their pods report."""
    rows = [one for one in await uses.all() if whose in {None, one.managed_by}]
    reports = await uses.reports([one.uid for one in rows])
    # The status is not in the answer, and changes with every record that waits.
    told = [(msgspec.structs.replace(one, status={}), reports[one.uid]) for one in rows]
    version = hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:32]
    headers = {"ETag": f'"{version}"'}
    if version in _etags(if_none_match or ""):
        return Response(status_code=304, headers=headers)
    answer = RegisteredList(version=version, connectors=[_answer(one, reports[one.uid]) for one in rows])
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json", headers=headers)


@router.get("/{uid}", responses=documented("unauthenticated", "not-found", "invalid"))
async def show(uses: Uses, uid: _Uid) -> Registered:
    """One of them."""
    return await _with_reports(uses, await uses.one(uid))


@router.post("/{uid}/disable", responses=documented("unauthenticated", "not-found", "conflict", "malformed", "invalid"))
async def disable(uses: Uses, uid: _Uid, by: Manager) -> Registered:
    """Have a connector neither send nor receive until it is put again: what comes for it waits."""
    return await _with_reports(uses, await uses.disable(uid, managed_by=by.managed_by))


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


def _etags(header: str) -> set[str]:
    """Return what an If-None-Match names; a proxy may have marked them as weak."""
    return {one.strip().removeprefix("W/").strip('"') for one in header.split(",")}


async def _with_reports(uses: Registrations, connector: ConnectorRow) -> Registered:
    return _answer(connector, (await uses.reports([connector.uid]))[connector.uid])


def _answer(connector: ConnectorRow, reports: Iterable[Report]) -> Registered:
    disabled_at = connector.disabled_at if connector.state == DISABLED else None
    return Registered(
        uid=connector.uid,
        id=connector.name,
        channel=connector.channel,
        managed_by=connector.managed_by,
        spec=dict(connector.spec),
        state=connector.state,
        disabled_at=None if disabled_at is None else iso(disabled_at),
        account=connector.account,
        reports=[_report(one) for one in reports],
    )


def _report(report: Report) -> ReportAnswer:
    until = report.rate_limited_until
    times = {"at": iso(report.at), "rate_limited_until": None if until is None else iso(until)}
    return ReportAnswer(**msgspec.structs.asdict(report) | times)
