"""Makes the application: every resource, the console, and the OpenAPI document."""

from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from chat4all import __version__
from chat4all.api import (
    channels,
    console,
    conversations,
    dead_letters,
    health,
    hooks,
    links,
    messages,
    posting,
    presence,
    problems,
    tokens,
    users,
)
from chat4all.api.middleware import BodyLimit, Timing
from chat4all.api.services import EndpointServices
from chat4all.telemetry.traces import Traces

_DESCRIPTION = "A messaging hub: no accepted message is lost, doubled or reordered. Errors are problem+json (RFC 9457)."


def create(services: EndpointServices, traces: Traces | None = None) -> FastAPI:
    """Return the application over these services. `traces`: records requests as parts of traces."""
    app = FastAPIOffline(title="Chat4All", version=__version__, description=_DESCRIPTION)  # /docs without another host
    app.state.services = services
    app.state.operations = services.operations
    app.state.hooks = services.hooks
    app.state.traces = traces or Traces()
    for resource in (tokens, links, users, channels, conversations, messages, presence, dead_letters, hooks):
        app.include_router(resource.router)
    app.router.routes.extend([posting.ROUTE, *health.ROUTES, *console.ROUTES])
    _complete_document(app, services)
    problems.install(app)
    app.add_middleware(BodyLimit, max_bytes=services.settings.body_bytes)
    app.add_middleware(Timing, metrics=services.metrics)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=services.settings.cors_origins.split(),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Link", "Retry-After", "Idempotent-Replay"],
    )
    return app


def _complete_document(app: FastAPI, services: EndpointServices) -> None:
    """Add to the OpenAPI document what FastAPI does not know: the plain routes, and the form of errors."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            operation, schemas = posting.openapi([*services.channels])
            document["paths"][posting.PATH] = {"post": operation}
            problem = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            nested = problem.pop("$defs")
            document["components"]["schemas"] |= {**schemas, **nested, "ProblemDocument": problem}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's own documentation extends it
