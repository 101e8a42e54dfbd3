"""Lists come in pages; the next one is in the Link header (RFC 8288)."""

from starlette.requests import Request
from starlette.responses import Response


def link(request: Request, response: Response, **parameters: str | int) -> None:
    """Name the next page: this request's address with these parameters instead, relative to the server."""
    url = request.url.include_query_params(**parameters)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
