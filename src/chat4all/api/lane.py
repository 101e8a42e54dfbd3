"""POST /v1/messages has a lane past the framework's routing and middleware, which cost more than accepting does.

What they do for every request is done here for this one: a bound on the body, the clock, and errors as problems
(docs/adr/0009-the-hot-path-has-a-lane.md).
"""

import logging
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chat4all.api import posting, problems
from chat4all.api.middleware import BodyLimit, Timing
from chat4all.model.errors import EngineUnavailableError, Refusal

if TYPE_CHECKING:
    from chat4all.api.services import EndpointServices

_log = logging.getLogger(__name__)


class Lane:
    """Serves the application, with the lane in front of it.

    A request of a browser, which says its Origin, takes the long way: CORS is the framework's to answer. So does one
    with a prefix before its path.
    """

    def __init__(self, app: FastAPI) -> None:
        uses: EndpointServices = app.state.services
        self.app = app
        self._post: ASGIApp = Timing(BodyLimit(_serve, uses.settings.body_bytes), uses.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_post(scope):
            scope["app"] = self.app
            scope["route"] = posting.ROUTE
            await self._post(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _is_post(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["path"] == posting.PATH
        and scope["method"] == "POST"
        and not scope["root_path"]
        and not any(name == b"origin" for name, _ in scope["headers"])
    )


async def _serve(scope: Scope, receive: Receive, send: Send) -> None:
    response = await _answer(Request(scope, receive))
    if response is not None:
        await response(scope, receive, send)


async def _answer(request: Request) -> Response | None:
    """Return the answer, or None for a client that has gone."""
    try:
        return await posting.post(request)
    except Refusal as refusal:
        return problems.response(refusal)
    except EngineUnavailableError as error:
        return problems.unavailable(error)
    except HTTPException as error:
        return await problems.of_http(request, error)
    except ClientDisconnect:
        return None
    except Exception:  # noqa: BLE001 - logged, and answered: the place of the framework's own last handler
        _log.exception("A post failed")
        return problems.failed()
