"""WS /ws: the token in a request to upgrade opens a session; at its end the client is told why, by a close code."""

import asyncio
import logging
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from uvicorn import Config
from uvicorn.server import ServerState
from websockets.http11 import Request

from chat4all.accounts.tokens import Tokens
from chat4all.gateway.connection import Connection
from chat4all.gateway.hub import Hub
from chat4all.gateway.session import TRY_AGAIN, UNAUTHENTICATED, CloseError, Session
from chat4all.model.errors import EngineUnavailableError, Refusal

_log = logging.getLogger(__name__)

_BEARER_PREFIX: Final = "bearer."
_CHECK_INTERVAL_SECONDS: Final = 20.0
_CHECKS_PER_TURN: Final = 100


class Endpoint:
    """Accepts connections. Tokens come as `?token=` or as subprotocols `chat4all, bearer.<token>`."""

    def __init__(self, gateway: Hub, tokens: Tokens) -> None:
        self._gateway = gateway
        self._tokens = tokens
        self._open: set[Connection] = set()

    def accept(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> Connection:
        """Return the protocol of a new connection: uvicorn calls this for a request to upgrade."""
        _ = config, app_state
        return Connection(self._serve, server_state.connections, server_state.tasks)

    def drain(self) -> None:
        """Ask all clients to reconnect elsewhere, because this process is about to end."""
        self._gateway.drain()

    async def run(self) -> None:
        """Close, for ever, connections whose clients have gone without saying so."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            for count, connection in enumerate(list(self._open), 1):
                try:
                    connection.check()
                except Exception:  # noqa: BLE001 - one connection's trouble is not the others'
                    _log.exception("A connection could not be checked")
                if count % _CHECKS_PER_TURN == 0:
                    await asyncio.sleep(0)

    async def _serve(self, connection: Connection, request: Request) -> None:
        self._open.add(connection)
        try:
            await self._admit(connection, request)
        finally:
            self._open.discard(connection)

    async def _admit(self, connection: Connection, request: Request) -> None:
        """Open a session, or say after the handshake why it is refused: only then can a browser see it."""
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
    protocols = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    for protocol in map(str.strip, protocols.split(",")):
        if protocol.startswith(_BEARER_PREFIX):
            return protocol.removeprefix(_BEARER_PREFIX)
    return _parameter(request, "token")


def _parameter(request: Request, name: str) -> str:
    return parse_qs(urlsplit(request.path).query).get(name, [""])[0]
