"""The addresses that the roles of a process listen on, bound before anything starts."""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from chat4all.model.errors import StartError
from chat4all.processes.config import Settings

PUBLIC: Final = "public"
INTERNAL: Final = "internal"
GATEWAY: Final = "gateway"
CONNECTORS: Final = "connectors"
OPERATIONS: Final = "operations"
INTERNAL_PORT: Final = 8002  # where no other is set

Bound = Mapping[str, socket.socket]  # by the names above


class Address(NamedTuple):
    """One address; `variable`: the setting of its port."""

    host: str
    port: int
    variable: str


def bind(settings: Settings, roles: Sequence[str], *, operations: bool) -> Bound:
    """The sockets of these roles, so that a port that is taken is known before anything starts.

    Where the API is, WebSockets and what providers post come to its port too. `operations`: health and metrics have a
    port of their own. Raises StartError; no socket is left open then.
    """
    with contextlib.ExitStack() as stack:
        bound = {}
        for name, address in _wanted(settings, roles, operations):
            bound[name] = _listening(address)
            stack.callback(bound[name].close)
        stack.pop_all()  # all are bound: none is closed here
    return bound


def url(bound: socket.socket) -> str:
    """Where a bound socket is reached from this machine."""
    host, port = bound.getsockname()[:2]
    return f"http://{'localhost' if host == '127.0.0.1' else host}:{port}"


def _wanted(settings: Settings, roles: Sequence[str], operations: bool) -> Iterator[tuple[str, Address]]:
    server = settings.server
    if "api" in roles:
        internal = settings.internal
        port = INTERNAL_PORT if internal.port is None else internal.port
        yield PUBLIC, Address(server.host, server.port, "CHAT4ALL_SERVER__PORT")
        yield INTERNAL, Address(internal.host, port, "CHAT4ALL_INTERNAL__PORT")
    else:
        if "gateway" in roles:
            yield GATEWAY, Address(server.host, settings.gateway.port, "CHAT4ALL_GATEWAY__PORT")
        if "connector" in roles:
            yield CONNECTORS, Address(server.host, settings.channels.port, "CHAT4ALL_CHANNELS__PORT")
    if operations:
        own = settings.operations
        yield OPERATIONS, Address(own.host, own.port, "CHAT4ALL_OPERATIONS__PORT")


def _listening(address: Address) -> socket.socket:
    host, port, variable = address
    try:
        bound = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Is it running already? Another port: {variable}=0"
        ) from error
    bound.setblocking(False)
    # Accepted sockets inherit it. asyncio sets it itself only where the socket says proto=TCP, which this one does not:
    # _set_nodelay in https://github.com/python/cpython/blob/v3.11.7/Lib/asyncio/base_events.py. Without it an answer
    # waits 40 ms for the client's acknowledgement.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return bound
