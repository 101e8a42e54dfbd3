"""A client of a running server: REST by httpx, the WebSocket by websockets; what every command but dev stands on."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Self

import httpx
import websockets

from chat4all.backoff import Backoff

DEFAULT_URL = "http://localhost:8000"
DEMO_PASSWORD = "demo"  # noqa: S105 - public: it is in the README

_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
_MAX_TRIES = 4
_PASSES = {0, 502, 503, 504}  # no answer, or that of a proxy whose servers are away, or theirs that an engine is

Frame = dict[str, Any]


class AnswerError(Exception):
    """The server refused (`status`), or could not be reached (nought). The message is for a person."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """A client is one user at one server, over REST and WebSocket."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.username = username
        self._url = url.rstrip("/")
        self._password = password
        try:
            self._http = httpx.AsyncClient(base_url=self._url, timeout=15, trust_env=False)
        except httpx.InvalidURL as error:
            raise AnswerError(f"{url} is no address: {error}. Try: {DEFAULT_URL}") from error
        address = self._http.base_url
        if address.scheme not in {"http", "https"} or not address.host or (address.port or 0) > 65_535:
            raise AnswerError(f"{url} is no address of a server. Try: {DEFAULT_URL}")
        self._token = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def token(self) -> str:
        """Log in and return a fresh token. Raises AnswerError."""
        form = {"username": self.username, "password": self._password}
        self._token = (await self._ask("POST", "/token", data=form)).json()["access_token"]
        return self._token

    async def call(self, method: str, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        """One request with the token; logs in first, and again when the token has expired. Raises AnswerError."""
        if not self._token:
            await self.token()
        try:
            return await self._ask(method, path, json=body, headers=self._headers(key))
        except AnswerError as error:
            if error.status != 401:
                raise
        await self.token()
        return await self._ask(method, path, json=body, headers=self._headers(key))

    async def pages(self, path: str) -> AsyncIterator[list[Frame]]:
        """A list, page by page, to its end. Raises AnswerError."""
        while path:
            answer = await self.call("GET", path)
            yield answer.json()
            path = answer.links.get("next", {}).get("url", "")

    async def known_conversation_with(self, *others: str) -> str | None:
        """The id of the conversation with exactly these people; of several, the one with the latest activity."""
        wanted = {self.username, *others}
        async for page in self.pages("/v1/conversations?limit=200"):
            for known in page:
                if set(known["members"]) == wanted:
                    return str(known["conversation_id"])
        return None

    async def conversation_with(self, *others: str) -> str:
        """The id of the conversation with exactly these people, made where there is none."""
        if known := await self.known_conversation_with(*others):
            return known
        kind = "private" if len({self.username, *others}) == 2 else "group"
        body = {"type": kind, "members": sorted(others)}
        return str((await self.call("POST", "/v1/conversations", body)).json()["conversation_id"])

    async def post(self, conversation_id: str, content: str, *, key: str | None = None) -> str:
        """Post a message; its id. Sent again under the same key while the server cannot be reached, a few times."""
        key, body = key or str(uuid.uuid4()), {"chat_id": conversation_id, "content": content}
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        for turn in range(_MAX_TRIES):
            try:
                return str((await self.call("POST", "/v1/messages", body, key=key)).json()["message_id"])
            except AnswerError as error:
                if error.status not in (0, 503) or turn == _MAX_TRIES - 1:
                    raise
            await asyncio.sleep(backoff.failed())
        raise AssertionError  # the last turn returns or raises

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Socket"]:
        """An open WebSocket that waits for our resume. Raises AnswerError."""
        if not self._token:
            await self.token()
        url = self._url.replace("http", "ws", 1) + "/ws?resume=1"
        protocols = [websockets.Subprotocol("chat4all"), websockets.Subprotocol(f"bearer.{self._token}")]
        try:
            async with websockets.connect(url, subprotocols=protocols, proxy=None, max_size=None) as socket:
                yield Socket(socket)
        except (OSError, websockets.InvalidHandshake) as error:
            raise AnswerError(f"No WebSocket at {url}: {error}") from error

    async def frames(self, cursors: dict[str, int]) -> AsyncGenerator[tuple["Socket", Frame], None]:
        """Every frame, for ever: reconnects, resumes from `cursors`, keeps them current, leaves out repeats.

        What is too much to be pushed (resync) is read page by page. Raises AnswerError when the server refuses.
        """
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                async with self.listening() as socket:
                    await socket.say({"type": "resume", "cursors": cursors})
                    while True:
                        frame = await socket.hear()
                        backoff.succeeded()
                        missed = self._missed(frame, cursors) if frame["type"] == "resync" else _just(frame)
                        async for one in missed:
                            if _is_new(one, cursors):
                                yield socket, one
            except (AnswerError, websockets.ConnectionClosed) as error:
                if isinstance(error, AnswerError) and error.status not in _PASSES:
                    raise
                if isinstance(error, websockets.ConnectionClosed) and error.rcvd and error.rcvd.code == 4401:
                    self._token = ""
                await asyncio.sleep(backoff.failed())

    async def _missed(self, resync: Frame, cursors: dict[str, int]) -> AsyncIterator[Frame]:
        """The rows between what we have and where pushes go on, in the shape of frames."""
        chat = resync["conversation_id"]
        while (after := cursors.get(chat, 0)) < resync["to"]:
            path = f"/v1/conversations/{chat}/messages?kinds=all&limit=200&after_seq={after}"
            page = [row for row in (await self.call("GET", path)).json() if row["seq"] <= resync["to"]]
            if not page:
                return
            for row in page:
                yield {"timestamp": row.get("created_at"), **row}

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._token}"}
        return headers | {"Idempotency-Key": key} if key else headers

    async def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **what)
        except httpx.TransportError as error:
            raise AnswerError(
                f"No answer from {self._url} ({str(error) or type(error).__name__}). Is it running? Try: chat4all dev"
            ) from error
        except httpx.InvalidURL as error:
            raise AnswerError(f"{self._url} is no address: {error}") from error
        if answer.is_error:
            raise _refused(answer)
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            raise AnswerError(f"{self._url} answers, but is no Chat4All. Look at --url.", answer.status_code)
        return answer


class Socket:
    """A socket is one open WebSocket of a client."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection

    async def say(self, frame: Frame) -> None:
        """Send a frame to the server as JSON."""
        await self._connection.send(json.dumps(frame))

    async def hear(self) -> Frame:
        """Wait for the next frame and return it. Raises websockets.ConnectionClosed."""
        frame: Frame = json.loads(await self._connection.recv())
        return frame

    def cut(self) -> None:
        """Break the connection, without a word to the server."""
        self._connection.transport.abort()


async def _just(frame: Frame) -> AsyncIterator[Frame]:
    yield frame


def _is_new(frame: Frame, cursors: dict[str, int]) -> bool:
    if "seq" not in frame:
        return True
    conversation_id = frame["conversation_id"]
    if frame["seq"] <= cursors.get(conversation_id, 0):
        return False
    cursors[conversation_id] = frame["seq"]
    return True


def _refused(answer: httpx.Response) -> AnswerError:
    try:
        problem = answer.json()
        fields = "".join(f"\n  {one['field']}: {one['detail']}" for one in problem.get("errors", ()))
        text = f"{problem['title']}: {problem['detail']} {problem['advice']}{fields}"
    except (ValueError, KeyError):
        text = f"The server answered {answer.status_code}."
    return AnswerError(text, answer.status_code)
