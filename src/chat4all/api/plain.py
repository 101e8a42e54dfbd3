"""Routes that are a function and no more: FastAPI neither reads their input nor documents them."""

from starlette.routing import Match, Route
from starlette.types import Scope


class PlainRoute(Route):
    """Starlette's route, which tells the request which one it is as FastAPI's does: metrics go by that."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is for this request."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if found else found
