"""What every twin of the rate limits must do, as its port says: a token bucket for each name.

Two things count. No more is let through than the rate allows, or a provider blocks us; and the wait that is returned
is enough, or a caller that waits as told is refused for ever.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat4all.drivers.redis_settings import RedisSettings
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.limits.port import Limits
from chat4all.limits.redis import RedisLimits
from chat4all.model.rates import Rate

DEADLINE = 60.0  # until something that must happen has happened


class Twin(Protocol):
    """What a twin gives to its tests. `tolerance`: seconds by which a wait may be off."""

    tolerance: float

    @property
    def limits(self) -> Limits: ...
    async def advance(self, seconds: float) -> None: ...


class EmbeddedTwin:
    """Limits with a clock that stands still until it is advanced."""

    tolerance = 1e-6

    def __init__(self) -> None:
        self._now = 1000.0
        self.limits = EmbeddedLimits(clock=lambda: self._now)

    async def advance(self, seconds: float) -> None:
        self._now += seconds


class RedisTwin:
    """Limits on a real server, with a clock that stands still until it is advanced. Floats travel as text."""

    tolerance = 1e-6

    def __init__(self, settings: RedisSettings) -> None:
        self._now = 1000.0
        self.limits = RedisLimits(settings, EmbeddedLimits(), clock=lambda: self._now)

    async def advance(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
async def redis(redis_server: RedisSettings) -> AsyncIterator[RedisTwin]:
    twin = RedisTwin(redis_server)
    yield twin
    await twin.limits.close()


@pytest.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.engine)])
def twin(request: pytest.FixtureRequest) -> Twin:
    return EmbeddedTwin() if request.param == "embedded" else request.getfixturevalue("redis")


async def drain(limits: Limits, name: str, rate: Rate) -> int:
    """Take one by one until it is refused. Returns how many there were."""
    taken = 0
    while await limits.take(name, rate) == 0.0:
        taken += 1
    return taken


@pytest.mark.parametrize("burst", [1, 2, 30])
async def test_a_new_bucket_is_full(twin: Twin, burst: int) -> None:
    assert await drain(twin.limits, "name", Rate(0.001, burst)) == burst


REFILLS = {
    "nothing yet": (Rate(2.0, 10), 0.0, 0),
    "not quite one": (Rate(2.0, 10), 0.4, 0),
    "one": (Rate(2.0, 10), 0.6, 1),
    "some": (Rate(2.0, 10), 2.1, 4),
    "full and no more": (Rate(2.0, 10), 3600.0, 10),
    "fast": (Rate(1000.0, 50), 0.0205, 20),
    "slow": (Rate(0.1, 3), 25.0, 2),
}


@pytest.mark.parametrize(("rate", "seconds", "tokens"), REFILLS.values(), ids=REFILLS)
async def test_an_empty_bucket_gains_by_its_rate_up_to_its_burst(
    twin: Twin, rate: Rate, seconds: float, tokens: int
) -> None:
    await twin.limits.take("name", rate, rate.burst)
    await twin.advance(seconds)
    assert await drain(twin.limits, "name", rate) == tokens


WAITS = {
    "one of an empty bucket": (Rate(2.0, 10), 10, 1, 0.5),
    "all of an empty bucket": (Rate(2.0, 10), 10, 10, 5.0),
    "more than is left": (Rate(2.0, 10), 8, 5, 1.5),
    "less than one a second": (Rate(0.25, 1), 1, 1, 4.0),
    "many a second": (Rate(1000.0, 10), 10, 1, 0.001),
}


@pytest.mark.parametrize(("rate", "taken", "wanted", "wait"), WAITS.values(), ids=WAITS)
async def test_a_refusal_says_how_long_to_wait(twin: Twin, rate: Rate, taken: int, wanted: int, wait: float) -> None:
    assert await twin.limits.take("name", rate, taken) == 0.0
    assert await twin.limits.take("name", rate, wanted) == pytest.approx(wait, abs=twin.tolerance)


async def test_a_refusal_takes_nothing(twin: Twin) -> None:
    rate = Rate(1.0, 5)
    assert await twin.limits.take("name", rate, 2) == 0.0
    for _ in range(10):
        assert await twin.limits.take("name", rate, 4) == pytest.approx(1.0, abs=twin.tolerance)
    assert await twin.limits.take("name", rate, 3) == 0.0


@pytest.mark.parametrize(("burst", "tokens"), [(1, 2), (10, 11), (0, 1), (5, 10**9)])
async def test_more_than_the_burst_is_a_mistake_and_takes_nothing(twin: Twin, burst: int, tokens: int) -> None:
    rate = Rate(1.0, burst)
    with pytest.raises(ValueError):
        await twin.limits.take("name", rate, tokens)
    if burst:
        assert await twin.limits.take("name", rate, burst) == 0.0


async def test_names_do_not_touch_each_other(twin: Twin) -> None:
    rate = Rate(0.001, 3)
    for name in ("login:ana", "login:bruno", "login", "", "ünï:{code}*"):
        assert await drain(twin.limits, name, rate) == 3


async def test_a_name_may_have_another_rate_from_now_on(twin: Twin) -> None:
    assert await twin.limits.take("name", Rate(0.001, 10), 1) == 0.0
    assert await drain(twin.limits, "name", Rate(0.001, 2)) <= 2
    assert await twin.limits.take("name", Rate(10.0, 1)) == pytest.approx(0.1, abs=0.001 + twin.tolerance)


async def test_many_names_and_the_first_is_still_known(twin: Twin) -> None:
    rate = Rate(0.001, 1)
    names = [f"name {number}" for number in range(20_000)]
    assert {await twin.limits.take(name, rate) for name in names} == {0.0}
    for name in (names[0], names[10_000], names[-1]):
        assert await twin.limits.take(name, rate) > 0.0


async def test_together_callers_get_no_more_than_one_alone(twin: Twin) -> None:
    async with asyncio.timeout(DEADLINE):
        answers = await asyncio.gather(*(twin.limits.take("name", Rate(0.001, 10)) for _ in range(200)))
    assert answers.count(0.0) == 10


RATES = st.builds(Rate, st.sampled_from([0.1, 0.3, 1.0, 3.0, 7.0, 30.0, 1000.0 / 3]), st.integers(1, 40))
SETTINGS = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SETTINGS
@given(rate=RATES, steps=st.lists(st.tuples(st.integers(1, 40), st.floats(0, 3)), max_size=12))
async def test_waiting_as_told_is_enough(twin: Twin, rate: Rate, steps: list[tuple[int, float]]) -> None:
    name = uuid.uuid4().hex  # a full bucket for each example
    for tokens, seconds in steps:
        wanted = min(tokens, rate.burst)
        wait = await twin.limits.take(name, rate, wanted)
        assert 0.0 <= wait <= wanted / rate.per_second + twin.tolerance
        if wait:
            await twin.advance(wait + twin.tolerance)
            assert await twin.limits.take(name, rate, wanted) == 0.0
        await twin.advance(seconds)


@SETTINGS
@given(rate=RATES, steps=st.lists(st.tuples(st.integers(1, 40), st.floats(0, 3)), max_size=30))
async def test_never_is_more_let_through_than_burst_and_rate(
    twin: Twin, rate: Rate, steps: list[tuple[int, float]]
) -> None:
    name = uuid.uuid4().hex
    taken, elapsed = 0, 0.0
    for tokens, seconds in steps:
        wanted = min(tokens, rate.burst)
        if await twin.limits.take(name, rate, wanted) == 0.0:
            taken += wanted
        assert taken <= rate.burst + rate.per_second * (elapsed + twin.tolerance)
        await twin.advance(seconds)
        elapsed += seconds


# On Redis alone


@pytest.mark.engine
async def test_redis_s_own_clock_counts(redis_server: RedisSettings) -> None:
    slow, quick = Rate(0.01, 2), Rate(1.0, 1)
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(DEADLINE):
        one, other = (RedisLimits(redis_server, EmbeddedLimits()) for _ in range(2))
        for limits in (one, other):
            stack.push_async_callback(limits.close)
        assert [await limits.take("slow", slow) for limits in (one, other)] == [0.0, 0.0]
        assert 0.0 < await one.take("slow", slow) <= 100.0, "both were counted"
        assert await one.take("quick", quick) == 0.0
        while await other.take("quick", quick):
            await asyncio.sleep(0.01)


async def test_while_redis_is_away_each_process_has_its_share() -> None:
    nobody = RedisSettings(port=1, request_seconds=0.2)
    limits = RedisLimits(nobody, EmbeddedLimits(clock=lambda: 1000.0), share=5)
    assert await drain(limits, "name", Rate(10.0, 20)) == 4
    assert await limits.take("name", Rate(10.0, 20)) == pytest.approx(0.5)
    await limits.close()


async def test_who_takes_may_say_what_the_share_is() -> None:
    """It is asked for each time: it changes while the process runs."""
    nobody = RedisSettings(port=1, request_seconds=0.2)
    limits = RedisLimits(nobody, EmbeddedLimits(clock=lambda: 1000.0), share=5)
    assert await limits.take("first", Rate(10.0, 20), 20, share=1) == 0.0
    assert await limits.take("first", Rate(10.0, 20), share=2) == pytest.approx(0.2)
    assert await limits.take("first", Rate(10.0, 20)) == pytest.approx(0.5)
    await limits.close()


async def test_where_all_count_together_a_share_changes_nothing(twin: Twin) -> None:
    assert await twin.limits.take("name", Rate(0.001, 10), 10, share=5) == 0.0
    assert await twin.limits.take("name", Rate(0.001, 10), share=5) > 0.0
