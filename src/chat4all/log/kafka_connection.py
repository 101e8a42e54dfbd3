"""How this process connects to Kafka, and how what its client raises is told on."""

import contextlib
from asyncio import timeout
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError

from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError
from chat4all.outage import Outage

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
