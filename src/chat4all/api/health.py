"""/livez, /readyz, /metrics, /status and /version are for whoever runs the process."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chat4all import __version__
from chat4all.api.plain import PlainRoute
from chat4all.telemetry.metrics import Metrics

Checks = Callable[[], Mapping[str, str | None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Operations:
    """Holds what the operational endpoints show. `ready` and `live` return checks by name: None is well, a string says
    what is wrong.

    `status` returns how each connector of this process is, by its id.
    """

    metrics: Metrics
    ready: Checks
    live: Checks
    status: Callable[[], Mapping[str, Any]] = dict


def create(operations: Operations) -> Starlette:
    """Return the application of a process that has no other one: it has these endpoints only."""
    app = Starlette(routes=ROUTES)
    app.state.operations = operations
    return app


def _operations(request: Request) -> Operations:
    operations: Operations = request.app.state.operations
    return operations


async def live(request: Request) -> Response:
    """Answer 200 while the loops of this process run; 503 means that it should be started again."""
    return _answer(_operations(request).live())


async def ready(request: Request) -> Response:
    """Answer 200 once the process can work. An engine that goes away later changes nothing: requests then say 503."""
    return _answer(_operations(request).ready())


async def metrics(request: Request) -> Response:
    """Answer with all metrics, in the text format of Prometheus."""
    return Response(_operations(request).metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def status(request: Request) -> Response:
    """Answer with how the connectors of this process are, by their ids. GET /v1/connectors has what they last saved."""
    return JSONResponse(_operations(request).status())


async def version(request: Request) -> Response:
    """Answer with the release that runs here."""
    _ = request
    return JSONResponse({"version": __version__})


ROUTES = [
    PlainRoute("/livez", live),
    PlainRoute("/readyz", ready),
    PlainRoute("/metrics", metrics),
    PlainRoute("/status", status),
    PlainRoute("/version", version),
]


def _answer(checks: Mapping[str, str | None]) -> Response:
    is_well = all(fault is None for fault in checks.values())
    return JSONResponse({name: fault or "ok" for name, fault in checks.items()}, 200 if is_well else 503)
