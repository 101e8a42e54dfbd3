"""Endpoints get the services that they work with from the application's state, where `app.create` puts them."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from chat4all.accounts.links import Links
from chat4all.accounts.tokens import Identity, Tokens
from chat4all.accounts.users import Users
from chat4all.api.health import Operations
from chat4all.api.settings import ApiSettings
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.dead_letters import DeadLetters
from chat4all.conversations.history import History
from chat4all.conversations.members import MemberChanges
from chat4all.conversations.membership import Membership
from chat4all.conversations.presence import Presence
from chat4all.directory.port import Directory
from chat4all.limits.port import Limits
from chat4all.model.channels import Channels
from chat4all.model.errors import Refusal
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics

Hooks = Callable[[str, str, Mapping[str, str], bytes], Awaitable[None]]  # channel, uid, headers, body


@dataclasses.dataclass(frozen=True, slots=True)
class EndpointServices:
    """Holds what endpoints work with. `operations`: what whoever runs the process may ask.
    `hooks`: takes what providers post; raises Refusal. `channels`: those that are installed.
    `welcome`: what the console says to whoever has not logged in: {"registration", "demo": [{"username", "password"}]}.
    """

    settings: ApiSettings
    users: Users
    tokens: Tokens
    acceptance: Acceptance
    history: History
    members: MemberChanges
    membership: Membership
    presence: Presence
    directory: Directory
    store: Store
    limits: Limits
    metrics: Metrics
    operations: Operations
    welcome: Mapping[str, Any]
    hooks: Hooks
    links: Links
    dead_letters: DeadLetters
    channels: Channels


def services(connection: HTTPConnection) -> EndpointServices:
    """Return the services of the application that serves this request."""
    endpoint_services: EndpointServices = connection.app.state.services
    return endpoint_services


_bearer = OAuth2PasswordBearer(tokenUrl="/token", auto_error=False)


def bearer(connection: HTTPConnection) -> str | None:
    """Return the token in the Authorization header, if there is one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def identify(connection: HTTPConnection) -> Identity:
    """Return who asks. Raises Refusal unauthenticated."""
    token = bearer(connection)
    if token is None:
        raise Refusal("unauthenticated", "There is no bearer token in the Authorization header.")
    return services(connection).tokens.verify(token)


def _identity(connection: HTTPConnection, _: Annotated[str | None, Depends(_bearer)]) -> Identity:
    return identify(connection)


def _identity_if_any(connection: HTTPConnection, _: Annotated[str | None, Depends(_bearer)]) -> Identity | None:
    return None if bearer(connection) is None else identify(connection)


Uses = Annotated[EndpointServices, Depends(services)]
Who = Annotated[Identity, Depends(_identity)]
MaybeWho = Annotated[Identity | None, Depends(_identity_if_any)]
