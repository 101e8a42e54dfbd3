"""/livez, /readyz, /metrics, /status: for whoever runs the process."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chat4all.api.plain import PlainRoute
from chat4all.telemetry.metrics import Metrics

Checks = Callable[[], Mapping[str, str | None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Operations:
    """`ready` and `live`: checks by name; None is well, a string says what is wrong.

    `status`: how each connector of this process is, by its id.
    """

    metrics: Metrics
    ready: Checks
    live: Checks
    status: Callable[[], Mapping[str, Any]] = dict


def create(operations: Operations) -> Starlette:
    """The application of a process that has no other."""
    app = Starlette(routes=ROUTES)
    app.state.operations = operations
    return app


def _of(request: Request) -> Operations:
    found: Operations = request.app.state.operations
    return found


async def live(request: Request) -> Response:
    """200 while the loops of this process turn; otherwise it wants to be started again."""
    return _answer(_of(request).live())


async def ready(request: Request) -> Response:
    """200 once it can work. An engine that goes away later does not change this: requests then say 503 themselves."""
    return _answer(_of(request).ready())


async def metrics(request: Request) -> Response:
    """Prometheus text."""
    return Response(_of(request).metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def status(request: Request) -> Response:
    """How the connectors of this process are, by their ids; what they wrote down of it is in GET /v1/connectors."""
    return JSONResponse(_of(request).status())


ROUTES = [
    PlainRoute("/livez", live),
    PlainRoute("/readyz", ready),
    PlainRoute("/metrics", metrics),
    PlainRoute("/status", status),
]


def _answer(checks: Mapping[str, str | None]) -> Response:
    well = all(fault is None for fault in checks.values())
    return JSONResponse({name: fault or "ok" for name, fault in checks.items()}, 200 if well else 503)
