"""HTTP to providers: bounded, pooled, and without a word of what is secret in anything that gets out."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import httpx

from chat4all.channels.kit.errors import CredentialsError, UnknownOutcomeError, UnreachableError

LARGEST: Final = 5 * 1024 * 1024  # bytes of an answer
_CONNECTIONS: Final = 40
_CONNECT: Final = 5.0  # seconds
_ANSWER: Final = 15.0
_KEPT: Final = 20.0  # seconds that an idle line is used again; providers close theirs later

# It logs whole URLs at INFO, and some providers have their tokens there.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Client:
    """`base_url`: the provider's. Close it at the end."""

    def __init__(self, base_url: str, *, answer_seconds: float = _ANSWER) -> None:
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(answer_seconds, connect=_CONNECT, pool=_ANSWER),
            limits=httpx.Limits(
                max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEPT
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def post(
        self,
        path: str,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> httpx.Response:
        """Post JSON; the status and the body of the answer.

        Raises UnreachableError where nothing was sent, UnknownOutcomeError where it may have arrived.
        """
        timeout = httpx.USE_CLIENT_DEFAULT if seconds is None else httpx.Timeout(seconds, connect=_CONNECT)
        try:
            async with self._client.stream("POST", path, json=body, headers=headers, timeout=timeout) as answer:
                return httpx.Response(answer.status_code, content=await _read(answer))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UnreachableError(f"The provider cannot be reached ({type(error).__name__}).") from None
        except httpx.InvalidURL:
            raise CredentialsError(
                "What the provider's address is made of is no address; is the token right?"
            ) from None
        except httpx.HTTPError as error:
            raise UnknownOutcomeError(f"The provider gave no whole answer ({type(error).__name__}).") from None

    async def close(self) -> None:
        """Let go of the lines."""
        await self._client.aclose()


async def _read(answer: httpx.Response) -> bytes:
    """Its body, unpacked. Raises UnknownOutcomeError for more than anyone needs, which aread() has no bound for."""
    length = 0
    pieces = []
    async for piece in answer.aiter_bytes():
        length += len(piece)
        if length > LARGEST:
            raise UnknownOutcomeError("The provider's answer is too long.")
        pieces.append(piece)
    return b"".join(pieces)
