"""Plain routes are a function and no more: FastAPI neither reads their input nor documents them."""

from starlette.routing import Match, Route
from starlette.types import Scope


class PlainRoute(Route):
    """Is Starlette's route, but puts itself into the request's scope, as FastAPI's does: metrics need it there."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route is for this request, and what is added to the request's scope."""
        match, child_scope = super().matches(scope)
        return match, {**child_scope, "route": self} if child_scope else child_scope
