"""How this process connects to Kafka, and how what its client raises is told on."""

import asyncio
import contextlib
from asyncio import timeout
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError

from chat4all.drivers.outage import Outage
from chat4all.futures import seen
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError

# The other errors are answers of a broker.
_AWAY: Final = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError)


def arguments(settings: KafkaSettings) -> dict[str, Any]:
    """What every client is made with. Raises StartError for files that cannot be read."""
    context = settings.ssl_context()
    made: dict[str, Any] = {
        "bootstrap_servers": settings.servers,
        "client_id": "chat4all",
        "request_timeout_ms": int(settings.request_seconds * 1000),
        "retry_backoff_ms": 50,
        "security_protocol": ("SASL_" if settings.user else "") + ("SSL" if context else "PLAINTEXT"),
        "ssl_context": context,
    }
    if settings.user:
        made |= {
            "sasl_mechanism": settings.mechanism,
            "sasl_plain_username": settings.user,
            "sasl_plain_password": settings.password(),
        }
    return made


class Starts:
    """Clients of the library's while they connect. Whoever gives up while one still starts leaves it to a task that
    lets it come to its end and stops it: cancelled while it asks the first broker, the library forgets that connection,
    and it stays open (`bootstrap` in https://github.com/aio-libs/aiokafka/blob/v0.14.0/aiokafka/client.py)."""

    def __init__(self) -> None:
        self._ending: set[asyncio.Task[None]] = set()

    async def connect(self, start: Coroutine[Any, Any, None], stop: Callable[[], Awaitable[None]]) -> None:
        """Wait until a client's `start` has connected it. `stop` is called where that fails, which is raised, or where
        whoever waits is cancelled, once the start has ended."""
        starting = asyncio.create_task(start)
        starting.add_done_callback(seen)
        try:
            await asyncio.shield(starting)
        except BaseException:
            ending = asyncio.create_task(_end(starting, stop))
            ending.add_done_callback(seen)
            ending.add_done_callback(self._ending.discard)
            self._ending.add(ending)
            raise

    async def close(self, seconds: float) -> None:
        """Wait so many seconds at most until those that were given up have been stopped."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=seconds)


async def _end(starting: asyncio.Task[None], stop: Callable[[], Awaitable[None]]) -> None:
    await asyncio.wait({starting})
    await stop()


@contextlib.asynccontextmanager
async def bounded(seconds: float, outage: Outage) -> AsyncIterator[None]:
    """What takes longer or fails in here is EngineUnavailableError."""
    try:
        async with timeout(seconds):
            yield
    except TimeoutError as error:
        outage.failed(f"no answer in {seconds:g} s")
        raise EngineUnavailableError("log", f"no answer in {seconds:g} s") from error
    except KafkaError as error:
        if isinstance(error, _AWAY):
            outage.failed(str(error) or type(error).__name__)
        raise EngineUnavailableError("log", str(error) or type(error).__name__) from error
