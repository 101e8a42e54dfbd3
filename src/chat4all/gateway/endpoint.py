"""WS /ws on Starlette: the handshake, the token, and the two directions of a session."""

import asyncio
import logging
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from chat4all.accounts.tokens import Tokens
from chat4all.gateway.hub import Gateway
from chat4all.gateway.session import TRY_AGAIN, UNAUTHENTICATED, CloseError, Session
from chat4all.model.errors import EngineUnavailableError, Refusal

_log = logging.getLogger(__name__)

PROTOCOL: Final = "chat4all"
ABORT: Final = "chat4all.abort"  # the ASGI extension under which the server lets a connection be broken off
_BEARER: Final = "bearer."
_CLOSING: Final = 5.0  # seconds for a client to take the close frame


class _Socket:
    """A Starlette WebSocket as a session's connection."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send(self, frame: bytes) -> None:
        try:
            await self._websocket.send({"type": "websocket.send", "text": frame.decode()})
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise ConnectionError(str(error)) from error


class Endpoint:
    """The route's function. Tokens come as `?token=` or as subprotocols `chat4all, bearer.<token>`."""

    def __init__(self, gateway: Gateway, tokens: Tokens) -> None:
        self._gateway = gateway
        self._tokens = tokens

    async def serve(self, websocket: WebSocket) -> None:
        """From the handshake to the end. A bad token is told after the handshake: only then can a browser see why."""
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        try:
            identity = self._tokens.verify(_token(websocket, offered))
            resumes = websocket.query_params.get("resume") == "1"
            session = await self._gateway.open(identity, _Socket(websocket), resumes=resumes)
        except Refusal as refusal:
            await _close(websocket, UNAUTHENTICATED, refusal.detail)
            return
        except EngineUnavailableError as error:
            await _close(websocket, TRY_AGAIN, str(error))
            return
        try:
            await self._serve(websocket, session)
        finally:
            await self._gateway.close(session)

    async def _serve(self, websocket: WebSocket, session: Session) -> None:
        hearing = asyncio.create_task(_hear(websocket, session))
        running = asyncio.create_task(session.run())
        try:
            await asyncio.wait({hearing, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
        except CloseError as close:
            await _close(websocket, close.code, close.reason)
        except EngineUnavailableError as error:
            await _close(websocket, TRY_AGAIN, f"{error}: reconnect and resume")
        except ConnectionError:
            pass  # the client went away
        finally:
            for task in (hearing, running):
                task.cancel()
            await asyncio.gather(hearing, running, return_exceptions=True)


async def _hear(websocket: WebSocket, session: Session) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        await session.hear(text if text is not None else message.get("bytes") or b"")


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # A client that does not read takes no close frame either: what waits for it in the buffers would be kept for ever.
    if abort := websocket.scope.get("extensions", {}).get(ABORT):
        asyncio.get_running_loop().call_later(_CLOSING, abort)
    try:
        await asyncio.wait_for(websocket.close(code, reason[:120]), _CLOSING)
    except (TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
        _log.info("A client did not wait for its close frame")


def _token(websocket: WebSocket, offered: list[str]) -> str:
    for protocol in offered:
        if protocol.startswith(_BEARER):
            return protocol.removeprefix(_BEARER)
    return websocket.query_params.get("token", "")
