"""How this process connects to Kafka, and what it raises where Kafka's client raises an error."""

import asyncio
import contextlib
import weakref
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError, UnusableFileError

# Kafka counts as away after these only: the other errors are answers of a broker.
_CONNECTION_ERRORS: Final = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)


class Login:
    """Clients of the library connect with the password and the certificate that their files have at that time."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._clients: weakref.WeakSet[AIOKafkaClient] = weakref.WeakSet()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that every client takes. Raises UnusableFileError."""
        return _arguments(self._settings)

    def adopt(self, client: AIOKafkaClient) -> None:
        """Keep the password of a client up to date as long as it lives."""
        self._clients.add(client)

    def refresh(self) -> None:
        """Read the files again. Raises UnusableFileError.

        The library keeps the password that it was given, and has no way to be given another one:
        https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/client.py
        """
        self._settings.ssl_context()
        if self._settings.user:
            password = self._settings.password()
            for client in list(self._clients):
                client._sasl_plain_password = password  # noqa: SLF001 - see above


def _arguments(settings: KafkaSettings) -> dict[str, Any]:
    context = settings.ssl_context()
    shared: dict[str, Any] = {
        "bootstrap_servers": settings.servers,
        "client_id": "chat4all",
        "request_timeout_ms": int(settings.request_seconds * 1000),
        "retry_backoff_ms": 50,
        "security_protocol": ("SASL_" if settings.user else "") + ("SSL" if context else "PLAINTEXT"),
        "ssl_context": context,
    }
    if settings.user:
        shared |= {
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.user,
            "sasl_plain_password": settings.password(),
        }
    return shared


class Starts:
    """This object holds the library's clients while they connect.

    A start is never cancelled: a task that gives up leaves it to another, which waits for its end and then stops the
    client. Cancelled while it asks the first broker, the library forgets that connection, which stays open: `bootstrap`
    in https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/client.py
    """

    def __init__(self) -> None:
        self._ending: set[asyncio.Task[None]] = set()

    async def connect(self, start: Coroutine[Any, Any, None], on_failure: Callable[[], Awaitable[None]]) -> None:
        """Wait until a client's `start` has connected it. Raises what `start` raises.

        `on_failure` stops the client. It is called once the start has ended, where it failed or the caller was
        cancelled.
        """
        starting = asyncio.create_task(start)
        starting.add_done_callback(seen)
        try:
            await asyncio.shield(starting)
        except BaseException:
            ending = asyncio.create_task(_end(starting, on_failure))
            ending.add_done_callback(seen)
            ending.add_done_callback(self._ending.discard)
            self._ending.add(ending)
            raise

    async def close(self, seconds: float) -> None:
        """Wait at most so many seconds until the clients that were given up have been stopped."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=seconds)


async def _end(starting: asyncio.Task[None], on_failure: Callable[[], Awaitable[None]]) -> None:
    await asyncio.wait({starting})
    await on_failure()


@contextlib.asynccontextmanager
async def bounded(seconds: float, outage: Outage) -> AsyncIterator[None]:
    """Raise EngineUnavailableError where the body takes longer than so many seconds or raises a KafkaError."""
    try:
        async with timeout(seconds):
            yield
    except TimeoutError as error:
        outage.failed(f"no answer in {seconds:g} s")
        raise EngineUnavailableError("log", f"no answer in {seconds:g} s") from error
    except UnusableFileError as error:
        outage.failed(str(error))
        raise EngineUnavailableError("log", str(error)) from error
    except KafkaError as error:
        if isinstance(error, _CONNECTION_ERRORS):
            outage.failed(str(error) or type(error).__name__)
        raise EngineUnavailableError("log", str(error) or type(error).__name__) from error
