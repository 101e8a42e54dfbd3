"""WS /ws: from the request to upgrade, by the token in it, to a session, and what a client is told at its end."""

import asyncio
import logging
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from uvicorn import Config
from uvicorn.server import ServerState
from websockets.http11 import Request

from chat4all.accounts.tokens import Tokens
from chat4all.gateway.connection import Connection
from chat4all.gateway.hub import Gateway
from chat4all.gateway.session import TRY_AGAIN, UNAUTHENTICATED, CloseError, Session
from chat4all.model.errors import EngineUnavailableError, Refusal

_log = logging.getLogger(__name__)

_BEARER: Final = "bearer."
_CHECKS: Final = 20.0  # seconds between two looks whether clients are still there
_AT_ONCE: Final = 100  # of them, before others have their turn


class Endpoint:
    """Takes connections in. Tokens come as `?token=` or as subprotocols `chat4all, bearer.<token>`."""

    def __init__(self, gateway: Gateway, tokens: Tokens) -> None:
        self._gateway = gateway
        self._tokens = tokens
        self._open: set[Connection] = set()

    def accept(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> Connection:
        """What uvicorn calls for a request to upgrade: its WebSocket protocol is this one."""
        _ = config, app_state
        return Connection(self._serve, server_state.connections, server_state.tasks)

    def drain(self) -> None:
        """Send all clients elsewhere: this process is about to end."""
        self._gateway.drain()

    async def run(self) -> None:
        """Find clients that went without a word; for ever."""
        while True:
            await asyncio.sleep(_CHECKS)
            for count, connection in enumerate(list(self._open), 1):
                try:
                    connection.check()
                except Exception:  # noqa: BLE001 - one connection's trouble is not the others'
                    _log.exception("A connection could not be looked at")
                if count % _AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _serve(self, connection: Connection, request: Request) -> None:
        self._open.add(connection)
        try:
            await self._admit(connection, request)
        finally:
            self._open.discard(connection)

    async def _admit(self, connection: Connection, request: Request) -> None:
        """A bad token is told after the handshake: only then can a browser see why."""
        try:
            identity = self._tokens.verify(_token(request))
            resumes = _parameter(request, "resume") == "1"
            if resumes:  # the resume will say where to start
                connection.accept()
            session = await self._gateway.open(identity, connection, resumes=resumes)
        except Refusal as refusal:
            await connection.close(UNAUTHENTICATED, refusal.detail)
            return
        except EngineUnavailableError as error:
            await connection.close(TRY_AGAIN, str(error))
            return
        try:
            connection.attach(session.hear, session.gone, session.leave)
            await _run(connection, session)
        finally:
            await self._gateway.close(session)


async def _run(connection: Connection, session: Session) -> None:
    try:
        await session.run()
    except CloseError as close:
        await connection.close(close.code, close.reason)
    except EngineUnavailableError as error:
        await connection.close(TRY_AGAIN, f"{error}: reconnect and resume")
    except ConnectionError:
        pass  # the client went away


def _token(request: Request) -> str:
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    for protocol in map(str.strip, offered.split(",")):
        if protocol.startswith(_BEARER):
            return protocol.removeprefix(_BEARER)
    return _parameter(request, "token")


def _parameter(request: Request, name: str) -> str:
    return parse_qs(urlsplit(request.path).query).get(name, [""])[0]
