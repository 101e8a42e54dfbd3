"""Turns every error into RFC 9457 problem+json, from the one table in model/errors.py."""

import math
from typing import Any, Final

import pydantic
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, compile_path

from chat4all.model.errors import PROBLEMS, EngineUnavailableError, FieldError, Refusal

MEDIA_TYPE: Final = "application/problem+json"
_CODE_BY_STATUS: Final = {
    400: "malformed",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}
_RETRY_AFTER_SECONDS: Final = 2.0  # where an engine is away


class FieldProblem(pydantic.BaseModel):
    """One field that is wrong."""

    field: str
    detail: str


class ProblemDocument(pydantic.BaseModel):
    """An error. `type` names its kind (docs/errors.md), `detail` says what is wrong here, `advice` what to do next."""

    type: str
    title: str
    status: int
    detail: str
    advice: str
    errors: list[FieldProblem] = []


class RefusedError(HTTPException):
    """Carries a refusal that is raised while a body is read: FastAPI lets only HTTPExceptions through there."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.problem.status, refusal.detail)
        self.refusal = refusal


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that may refuse with these codes, for the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    reads_a_body = ("unsupported-media-type",) if "malformed" in codes else ()
    for code in (*codes, *reads_a_body, "too-large", "unavailable"):
        problem = PROBLEMS[code]
        previous = responses.get(problem.status)
        text = f"{previous['description']}; {problem.title}" if previous else problem.title
        schema = {"$ref": "#/components/schemas/ProblemDocument"}
        responses[problem.status] = {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
    return responses


def response(refusal: Refusal) -> Response:
    """Return the answer to a request that is refused."""
    problem = refusal.problem
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refusal.retry_after)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    document = {
        "type": f"urn:chat4all:problem:{refusal.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": refusal.detail,
        "advice": problem.advice,
        "errors": [error._asdict() for error in refusal.errors],
    }
    return JSONResponse(document, problem.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make the application answer every error with a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(EngineUnavailableError, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, _failed)


def unavailable(error: EngineUnavailableError) -> Response:
    """Return the answer while an engine is away."""
    return response(Refusal("unavailable", str(error), retry_after=_RETRY_AFTER_SECONDS))


def failed() -> Response:
    """Return the answer to an unexpected error, which the caller has logged."""
    return response(Refusal("internal", "An unexpected error; it is in this server's log."))


async def _refused(_: Request, error: Exception) -> Response:
    return response(error if isinstance(error, Refusal) else Refusal("internal", "An unexpected error."))


async def _unavailable(_: Request, error: Exception) -> Response:
    return unavailable(error) if isinstance(error, EngineUnavailableError) else failed()


async def _invalid(_: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in faults):
        return response(Refusal("malformed", f"The body is not valid JSON: {faults[0]['ctx']['error']}"))
    errors = tuple(FieldError(_field(one["loc"]), str(one["msg"])) for one in faults[:50])
    names = ", ".join(one.field for one in errors[:5])
    return response(Refusal("invalid", f"Not valid: {names}.", errors=errors))


async def of_http(request: Request, error: Exception) -> Response:
    """Return the answer to an error that has only an HTTP status, or carries a refusal."""
    if isinstance(error, RefusedError):
        return response(error.refusal)
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else ""
    answer = response(Refusal(_CODE_BY_STATUS.get(status, "internal"), detail))
    if status == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _methods(request: Request) -> set[str]:
    """Return every method that the path takes; Starlette's own Allow header has those of one route only."""
    for path, operations in request.app.openapi()["paths"].items():  # /heartbeat stands before /{username} there
        if compile_path(path)[0].match(request.url.path):
            return {method.upper() for method in operations}
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


async def _failed(_: Request, _error: Exception) -> Response:
    return failed()


def _field(location: tuple[str | int, ...]) -> str:
    """Return `members[1]` for ("body", "members", 1); the body as a whole is `body`."""
    name = ""
    for part in location[1:] or location[:1]:
        if part == "[key]":  # pydantic's mark for the name of an entry, not its value
            continue
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name
