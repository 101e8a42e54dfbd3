"""HTTP requests to other systems: pooled and bounded, told apart by whether a request may have arrived."""

import asyncio
import functools
import ssl
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import aiohttp
import certifi
import msgspec
from yarl import URL

MAX_ANSWER_BYTES: Final = 5 * 1024 * 1024
_CONNECTIONS: Final = 40
_CONNECT_SECONDS: Final = 5.0
_POOL_SECONDS: Final = 15.0  # for a free connection and to connect it
_KEEPALIVE_SECONDS: Final = 20.0  # that an idle connection is used again; others close theirs later
_CHUNK_BYTES: Final = 64 * 1024
_PORTS: Final = 65_536


class Answer(NamedTuple):
    """The status and the unpacked body of an answer."""

    status: int
    body: bytes


class NotSentError(Exception):
    """Nothing of the request was sent; the text names the kind of fault and nothing of the address."""


class NoAnswerError(Exception):
    """The request may have arrived, and no whole answer came; the text names the kind of fault."""


class BadAddressError(Exception):
    """What the address or the headers are made of cannot stand there; nothing was sent."""


class HttpPool:
    """Connections to one system. It has to be made in the loop that uses it, and closed at the end.

    `base_url`: stands before every path; `answer_seconds`: how long an answer may take.
    """

    def __init__(self, base_url: str, *, answer_seconds: float) -> None:
        self._base = base_url.rstrip("/")
        self._answer_seconds = answer_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=_trusted()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "chat4all"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Answer:
        """Send a request, with a body as JSON if there is one. `seconds`: how long this answer may take.

        Raises NotSentError, NoAnswerError, BadAddressError. Their texts and causes hold nothing of the address, which
        may be secret.
        """
        seconds = self._answer_seconds if seconds is None else seconds
        url, given = self._url(path), _checked(headers or {})
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            given["Content-Type"] = "application/json"
        # Twice round the loop: it hears of connections that the other side has closed, which are not used again then.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=_POOL_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=seconds
        )
        try:
            async with (
                asyncio.timeout(_POOL_SECONDS + seconds),
                self._session.request(
                    method, url, data=data, headers=given, timeout=timeout, allow_redirects=False
                ) as answer,
            ):
                return Answer(answer.status, await _read(answer))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSentError(type(error).__name__) from None
        except aiohttp.InvalidURL:
            raise BadAddressError from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NoAnswerError(type(error).__name__) from None

    async def close(self) -> None:
        """Close all connections of the pool, used and idle."""
        await self._session.close()

    def _url(self, path: str) -> URL:
        """Nothing in it is quoted anew. Raises BadAddressError for what cannot stand in a request line."""
        address = f"{self._base}{path}"
        if not address.isascii() or not address.isprintable() or " " in address:
            raise BadAddressError
        try:
            url = URL(address, encoded=True)
            host = (url.host or "").encode("idna")
            usable = url.scheme in {"http", "https"} and bool(host) and 0 < (url.port or 0) < _PORTS
        except ValueError:
            usable = False
        if not usable:
            raise BadAddressError
        return url


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The certificates of the system, and those that browsers know: either may be missing, or have its own."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """A copy. Raises BadAddressError for a value that cannot stand in a header, such as a secret with a line's end."""
    if any(not text.isprintable() for item in headers.items() for text in item):
        raise BadAddressError
    return dict(headers)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked. Raises NoAnswerError for more than anyone needs, for which read() has no bound."""
    pieces, length = [], 0
    async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
        length += len(piece)
        if length > MAX_ANSWER_BYTES:
            raise NoAnswerError("the answer is too long")
        pieces.append(piece)
    return b"".join(pieces)
