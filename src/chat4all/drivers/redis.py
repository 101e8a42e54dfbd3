"""A connection to Redis whose calls are bounded in time.

While Redis is away, calls fail at once and not after a time-out each: after a failure Redis is not asked again for a
moment.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis import asyncio as aioredis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from chat4all.drivers.outage import Outage
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.model.engines import Description
from chat4all.model.errors import EngineUnavailableError, UnusableFileError

_REST_SECONDS: Final = 0.5  # after a failure; every call fails at once in this time
_MAX_PIPELINE_COMMANDS: Final = 1000


class RedisClient:
    """The client of one port that stands on Redis. `engine`: that port's name, for errors. Every method raises
    EngineUnavailableError within a bounded time."""

    def __init__(self, settings: RedisSettings, *, engine: str) -> None:
        self.settings = settings
        self._engine = engine
        self._redis = client(settings)
        self._rests_until = 0.0
        self._outage = Outage(f"Redis ({engine})")

    async def close(self) -> None:
        """Disconnect from Redis and close the pool."""
        await self._redis.aclose()

    def key(self, *parts: str) -> str:
        """Return a key of ours: the prefix of the settings, then the parts with colons between."""
        return self.settings.prefix + ":".join(parts)

    async def pipeline(self, commands: Sequence[Callable[[Pipeline], object]]) -> list[Any]:
        """Send these commands together, and return their answers in order. They are no transaction."""
        if time.monotonic() < self._rests_until:
            raise EngineUnavailableError(self._engine, "it did not answer a moment ago")
        answers: list[Any] = []
        try:
            for start in range(0, len(commands), _MAX_PIPELINE_COMMANDS):
                async with patience(self.settings):
                    answers += await self._send(commands[start : start + _MAX_PIPELINE_COMMANDS])
        except (RedisError, OSError, UnusableFileError) as error:
            self._rests_until = time.monotonic() + _REST_SECONDS
            why = str(error) or type(error).__name__
            self._outage.failed(why)
            raise EngineUnavailableError(self._engine, why) from error
        self._outage.answered()
        return answers

    async def describe(self) -> Description:
        """Return the release of Redis and its clock."""
        info, (seconds, microseconds) = await self.pipeline(
            [lambda pipe: pipe.info("server"), lambda pipe: pipe.time()]
        )
        return Description(f"Redis {info['redis_version']}", seconds + microseconds / 1_000_000)

    async def _send(self, commands: Sequence[Callable[[Pipeline], object]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                command(pipe)
            return await pipe.execute()


class _Login(CredentialProvider):
    """The user, and the password that its file has when a connection is made."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        try:
            password = self._settings.password()
        except UnusableFileError as error:  # the library lets go of a connection after errors of its own only
            raise AuthenticationError(str(error)) from error
        return (self._settings.user, password) if self._settings.user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def _tls_connection(settings: RedisSettings) -> type[aioredis.SSLConnection]:
    """Return a connection that speaks TLS by the settings' own context, in which changed files are loaded again; the
    library's would keep what it read first."""

    class Connection(aioredis.SSLConnection):
        def _connection_arguments(self) -> dict[str, Any]:
            return {**super()._connection_arguments(), "ssl": settings.ssl_context()}

    return Connection


def patience(settings: RedisSettings, silence: float = 0.0) -> asyncio.Timeout:
    """Return the time-out of connecting and asking together. `silence`: seconds to add in which nothing has to come."""
    return asyncio.timeout(silence + 2 * settings.request_seconds)


def client(settings: RedisSettings) -> aioredis.Redis:
    """Return the library's client. Every use of it has to be under `patience`, since its own time-out for requests is
    off: it loses cancellations, by wait_for of Python 3.11 (https://github.com/python/cpython/issues/86296).

    Raises StartError for files that cannot be read.
    """
    settings.check_files()
    secured: dict[str, Any] = {"connection_class": _tls_connection(settings)} if settings.tls else {}
    if settings.user or settings.password_file is not None:
        secured["credential_provider"] = _Login(settings)
    pool = aioredis.BlockingConnectionPool(
        host=settings.host,
        port=settings.port,
        db=settings.database,
        max_connections=settings.connections,
        timeout=settings.request_seconds,
        socket_timeout=None,
        socket_connect_timeout=settings.request_seconds,
        retry=Retry(NoBackoff(), 0),  # a pipeline that was cut off may have been executed
        # Notices of a paid service: by default each new connection asks for them, and may then change its time-outs.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **secured,
    )
    return aioredis.Redis.from_pool(pool)
