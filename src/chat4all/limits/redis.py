"""Token buckets that all processes share, on Redis.

Redis's own clock counts, so that processes whose clocks differ agree. While Redis is away, each process counts for
itself, with its share of the rate.
"""

import logging
from collections.abc import Callable
from typing import Final

from chat4all.drivers.redis import RedisClient
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.limits.port import Limits
from chat4all.model.engines import Description
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.rates import Rate

_log = logging.getLogger(__name__)

# Returns the seconds until the tokens are there, as text, since Redis cuts numbers to whole ones.
_TAKE_SCRIPT: Final = """
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local per_second, burst, tokens = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local bucket = redis.call('HMGET', KEYS[1], 'held', 'at')
local held, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
held = math.min(burst, held + math.max(0, now - at) * per_second)
local wait = 0
if held + 0.000001 < tokens then wait = (tokens - held) / per_second else held = held - tokens end
redis.call('HSET', KEYS[1], 'held', string.format('%.17g', held), 'at', string.format('%.17g', math.max(now, at)))
redis.call('PEXPIRE', KEYS[1], math.min(86400000, math.ceil((burst - held) / per_second * 1000) + 1000))
return string.format('%.17g', wait)
"""


class RedisLimits:
    """Limits counts the tokens of all processes in Redis.

    `alone`: counts in this process while Redis is away; `share`: the number of processes among which the rate is then
    divided, where who takes names none; `clock`: seconds, None for Redis's own.
    """

    def __init__(
        self, settings: RedisSettings, alone: Limits, *, share: int = 1, clock: Callable[[], float] | None = None
    ) -> None:
        self._redis = RedisClient(settings, engine="limits")
        self._share = share
        self._clock = clock
        self._alone = alone

    async def open(self) -> None:
        """Do nothing: the client connects when it is first used."""

    async def migrate(self) -> str:
        """Do nothing: keys are made when they are needed."""
        return "nothing to make"

    async def check(self) -> None:
        """Do nothing: each process counts for itself while Redis is away."""

    async def describe(self) -> Description:
        return await self._redis.describe()

    async def close(self) -> None:
        """Disconnect from Redis and close the pool."""
        await self._redis.close()

    async def take(self, name: str, rate: Rate, tokens: int = 1, *, share: int | None = None) -> float:
        if tokens > rate.burst:
            raise ValueError(f"{tokens} tokens never fit into a burst of {rate.burst}")
        now = "" if self._clock is None else repr(self._clock())
        key = self._redis.key("limit", name)
        try:
            [wait] = await self._redis.pipeline(
                [lambda pipe: pipe.eval(_TAKE_SCRIPT, 1, key, rate.per_second, rate.burst, tokens, now)]
            )
        except EngineUnavailableError as error:
            _log.debug("Counted alone: %s", error)
            among = share or self._share
            own = Rate(rate.per_second / among, max(tokens, rate.burst // among))
            return await self._alone.take(name, own, tokens)
        return float(wait)
