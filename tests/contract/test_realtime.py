"""What every twin of push and presence must do, as its port says: who is where, pushes in order, nobody held up.

A push may be lost, but never silently for ever: a gateway that lost some is told to sweep. A session or a device that
is not refreshed is forgotten after the TTL_SECONDS and not before.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from chat4all.drivers.redis import client
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.realtime.embedded import EmbeddedRealtime
from chat4all.realtime.port import REFRESH_SECONDS, TTL_SECONDS, Push, Realtime, Status
from chat4all.realtime.redis.realtime import RedisRealtime

DEADLINE = 60.0  # until something that must happen has happened
QUEUE = 100  # pushes that a gateway may be behind
FLOOD = 20 * QUEUE  # far more: a twin that reads ahead of the gateway does so for a part of them


class Twin(Protocol):
    """What a twin gives to its tests."""

    @property
    def realtime(self) -> Realtime: ...
    async def advance(self, seconds: float) -> None: ...


class EmbeddedTwin:
    """Push and presence with a clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.realtime = EmbeddedRealtime(clock=lambda: self._now, queue=QUEUE)

    async def advance(self, seconds: float) -> None:
        self._now += seconds


class RedisTwin:
    """Push and presence on a real server, with a clock that stands still until it is advanced."""

    def __init__(self, settings: RedisSettings) -> None:
        self._now = 1000.0
        self.realtime = RedisRealtime(settings, clock=lambda: self._now, queue=QUEUE)

    async def advance(self, seconds: float) -> None:
        self._now += seconds


@pytest.fixture
async def redis(redis_server: RedisSettings) -> AsyncIterator[RedisTwin]:
    twin = RedisTwin(redis_server)
    yield twin
    await twin.realtime.close()


@pytest.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.engine)])
def twin(request: pytest.FixtureRequest) -> Twin:
    return EmbeddedTwin() if request.param == "embedded" else request.getfixturevalue("redis")


def numbered(gateway: str, count: int, start: int = 0) -> list[Push]:
    return [
        Push(gateway=gateway, users=("ana",), conversation_id="c", seq=start + n, frame=b"%d" % n) for n in range(count)
    ]


async def receive(pushes: AsyncIterator[Push], count: int) -> list[Push]:
    async with asyncio.timeout(DEADLINE):
        return [await anext(pushes) for _ in range(count)]


async def nothing_more(twin: Twin, gateway: str, pushes: AsyncIterator[Push]) -> None:
    """What is published now is the next that comes."""
    last = Push(gateway=gateway, conversation_id="the next")
    await twin.realtime.publish([last])
    assert await receive(pushes, 1) == [last]


async def drain(twin: Twin, gateway: str, pushes: AsyncIterator[Push]) -> list[Push]:
    """Read, by a gateway that was too slow, what was kept for it: until what is published now comes through."""
    room, end = Push(gateway=gateway, conversation_id="is there room"), Push(gateway=gateway, conversation_id="the end")

    async def publish() -> None:
        while True:
            await twin.realtime.publish([room])
            await asyncio.sleep(0.001)

    publishing = asyncio.create_task(publish())
    got: list[Push] = []
    async with asyncio.timeout(DEADLINE):
        async for push in pushes:
            if push == end:
                break
            if push != room:
                got.append(push)
            elif publishing.cancel():
                await asyncio.wait({publishing})
                await twin.realtime.publish([end])
    return got


# Sessions


async def test_nobody_is_anywhere_at_first(twin: Twin) -> None:
    assert await twin.realtime.gateways(["ana", "bruno"]) == {}
    assert await twin.realtime.gateways([]) == {}
    assert await twin.realtime.registered("g1") == frozenset()


async def test_gateways_are_found_by_the_users_they_hold(twin: Twin) -> None:
    await twin.realtime.register("g1", {"s1": "ana", "s2": "bruno", "s3": "ana"})
    await twin.realtime.register("g2", {"s4": "ana", "s5": "carla"})
    await twin.realtime.register("g3", {})
    expected = {
        ("ana",): {"g1": {"ana"}, "g2": {"ana"}},
        ("bruno",): {"g1": {"bruno"}},
        ("bruno", "carla", "dora"): {"g1": {"bruno"}, "g2": {"carla"}},
        ("ana", "bruno", "carla"): {"g1": {"ana", "bruno"}, "g2": {"ana", "carla"}},
        ("dora",): {},
    }
    assert {users: await twin.realtime.gateways(users) for users in expected} == expected
    assert await twin.realtime.registered("g1") == {"s1", "s2", "s3"}
    assert await twin.realtime.registered("g2") == {"s4", "s5"}
    assert await twin.realtime.registered("g3") == frozenset()


async def test_a_user_is_there_until_the_last_session_is_gone(twin: Twin) -> None:
    await twin.realtime.register("g1", {"s1": "ana", "s2": "ana"})
    await twin.realtime.unregister("g1", "s1", "ana")
    assert await twin.realtime.gateways(["ana"]) == {"g1": {"ana"}}
    assert await twin.realtime.registered("g1") == {"s2"}
    await twin.realtime.unregister("g1", "s2", "ana")
    assert await twin.realtime.gateways(["ana"]) == {}
    assert await twin.realtime.registered("g1") == frozenset()


@pytest.mark.parametrize(
    ("gateway", "session", "user"),
    [("g2", "s1", "ana"), ("g1", "s2", "ana"), ("g1", "s2", "dora")],
    ids=["another gateway", "another session", "unknown user"],
)
async def test_what_is_not_there_can_be_unregistered(twin: Twin, gateway: str, session: str, user: str) -> None:
    await twin.realtime.register("g1", {"s1": "ana"})
    await twin.realtime.unregister(gateway, session, user)
    assert await twin.realtime.gateways(["ana"]) == {"g1": {"ana"}}
    assert await twin.realtime.registered("g1") == {"s1"}


async def test_a_session_that_is_not_refreshed_is_forgotten_after_the_ttl(twin: Twin) -> None:
    await twin.realtime.register("g1", {"late": "ana", "kept": "bruno"})
    await twin.advance(TTL_SECONDS - REFRESH_SECONDS)
    await twin.realtime.register("g1", {"kept": "bruno"})
    await twin.advance(REFRESH_SECONDS - 1)
    assert await twin.realtime.gateways(["ana", "bruno"]) == {"g1": {"ana", "bruno"}}
    assert await twin.realtime.registered("g1") == {"late", "kept"}
    await twin.advance(2)
    assert await twin.realtime.gateways(["ana", "bruno"]) == {"g1": {"bruno"}}
    assert await twin.realtime.registered("g1") == {"kept"}
    await twin.advance(TTL_SECONDS)
    assert await twin.realtime.gateways(["ana", "bruno"]) == {}
    assert await twin.realtime.registered("g1") == frozenset()
    await twin.realtime.register("g1", {"late": "ana"})
    assert await twin.realtime.registered("g1") == {"late"}


async def test_refreshed_in_time_a_session_stays(twin: Twin) -> None:
    for _ in range(10):
        await twin.realtime.register("g1", {"s1": "ana"})
        await twin.advance(REFRESH_SECONDS)
        assert await twin.realtime.gateways(["ana"]) == {"g1": {"ana"}}


# Pushes


async def test_each_gateway_gets_its_pushes_in_order_and_as_they_were(twin: Twin) -> None:
    full = Push(gateway="g1", users=("ana", "bruno"), conversation_id="c", seq=7, frame=bytes(range(256)))
    bare = Push(gateway="g1")
    async with twin.realtime.subscribe("g1") as one, twin.realtime.subscribe("g2") as two:
        mixed = [push for pair in zip(numbered("g1", 50), numbered("g2", 50), strict=True) for push in pair]
        await twin.realtime.publish(mixed)
        await twin.realtime.publish([full, bare])
        assert await receive(one, 52) == [*numbered("g1", 50), full, bare]
        assert await receive(two, 50) == numbered("g2", 50)
        await nothing_more(twin, "g1", one)
        await nothing_more(twin, "g2", two)


async def test_a_gateway_that_waits_gets_what_is_published_next(twin: Twin) -> None:
    async with twin.realtime.subscribe("g1") as pushes:
        waiting = asyncio.create_task(receive(pushes, 3))
        await asyncio.sleep(0)
        for push in numbered("g1", 3):
            await twin.realtime.publish([push])
        assert await waiting == numbered("g1", 3)


async def test_a_push_for_a_gateway_that_is_not_there_is_dropped(twin: Twin) -> None:
    await twin.realtime.publish([])
    await twin.realtime.publish(numbered("g1", 3))
    async with twin.realtime.subscribe("g1") as pushes, twin.realtime.subscribe("g2") as other:
        await nothing_more(twin, "g1", pushes)
        await twin.realtime.publish([*numbered("gone", 2), *numbered("g2", 2), *numbered("gone", 2)])
        assert await receive(other, 2) == numbered("g2", 2)
        await twin.realtime.publish(numbered("g1", 3))
    await twin.realtime.publish(numbered("g1", 3))
    await twin.realtime.sweep()
    async with twin.realtime.subscribe("g1") as pushes:
        await nothing_more(twin, "g1", pushes)


async def test_a_subscription_needs_no_session_and_makes_none(twin: Twin) -> None:
    async with twin.realtime.subscribe("g1") as pushes:
        assert await twin.realtime.registered("g1") == frozenset()
        await nothing_more(twin, "g1", pushes)


async def test_a_sweep_reaches_every_gateway_behind_what_was_pushed(twin: Twin) -> None:
    async with twin.realtime.subscribe("g1") as one, twin.realtime.subscribe("g2") as two:
        await twin.realtime.publish(numbered("g1", 2))
        await twin.realtime.sweep()
        assert await receive(one, 3) == [*numbered("g1", 2), Push(gateway="g1", sweep=True)]
        assert await receive(two, 1) == [Push(gateway="g2", sweep=True)]


@pytest.mark.parametrize("batch", [1, QUEUE, FLOOD], ids=["one by one", "in batches", "at once"])
async def test_a_gateway_that_does_not_read_is_bounded_holds_up_nobody_and_is_told_to_sweep(
    twin: Twin, batch: int
) -> None:
    flood = numbered("slow", FLOOD)
    async with twin.realtime.subscribe("slow") as slow, twin.realtime.subscribe("quick") as quick:
        async with asyncio.timeout(DEADLINE):
            for start in range(0, FLOOD, batch):
                await twin.realtime.publish(flood[start : start + batch])
        await nothing_more(twin, "quick", quick)
        got = await drain(twin, "slow", slow)
        assert any(push.sweep for push in got)
        frames = [push.seq for push in got if push.seq is not None]
        assert len(frames) < FLOOD
        assert frames == sorted(set(frames))
        await twin.realtime.publish(numbered("slow", 3))  # it is like any other again
        assert await receive(slow, 3) == numbered("slow", 3)
        await nothing_more(twin, "slow", slow)


@pytest.mark.parametrize("read", [1, 2, QUEUE // 2])
async def test_what_is_lost_after_a_sweep_was_read_needs_another(twin: Twin, read: int) -> None:
    async with twin.realtime.subscribe("slow") as slow:
        await twin.realtime.publish(numbered("slow", FLOOD))
        got = await drain(twin, "slow", slow)
        assert any(push.sweep for push in got)
        await twin.realtime.publish(numbered("slow", FLOOD, start=FLOOD))
        await receive(slow, read)
        await twin.realtime.publish(numbered("slow", FLOOD, start=2 * FLOOD))
        assert any(push.sweep for push in await drain(twin, "slow", slow))


async def test_a_sweep_reaches_a_gateway_that_does_not_read(twin: Twin) -> None:
    async with twin.realtime.subscribe("slow") as slow:
        await twin.realtime.publish(numbered("slow", FLOOD))
        async with asyncio.timeout(DEADLINE):
            await twin.realtime.sweep()
        assert any(push.sweep for push in await drain(twin, "slow", slow))


# Presence


DEVICES: dict[str, tuple[list[tuple[str, Status]], Status]] = {
    "never heard of": ([], Status.OFFLINE),
    "one online": ([("phone", Status.ONLINE)], Status.ONLINE),
    "one away": ([("phone", Status.AWAY)], Status.AWAY),
    "one that left": ([("phone", Status.ONLINE), ("phone", Status.OFFLINE)], Status.OFFLINE),
    "one that never came leaves": ([("phone", Status.OFFLINE)], Status.OFFLINE),
    "the last word of a device": ([("phone", Status.ONLINE), ("phone", Status.AWAY)], Status.AWAY),
    "most present, said first": ([("phone", Status.ONLINE), ("laptop", Status.AWAY)], Status.ONLINE),
    "most present, said last": ([("phone", Status.AWAY), ("laptop", Status.ONLINE)], Status.ONLINE),
    "the online one leaves": (
        [("phone", Status.ONLINE), ("laptop", Status.AWAY), ("phone", Status.OFFLINE)],
        Status.AWAY,
    ),
    "the away one leaves": (
        [("phone", Status.ONLINE), ("laptop", Status.AWAY), ("laptop", Status.OFFLINE)],
        Status.ONLINE,
    ),
    "the last one leaves": (
        [("phone", Status.AWAY), ("tv", Status.AWAY), ("phone", Status.OFFLINE), ("tv", Status.OFFLINE)],
        Status.OFFLINE,
    ),
    "one comes back": (
        [("phone", Status.ONLINE), ("phone", Status.OFFLINE), ("phone", Status.AWAY)],
        Status.AWAY,
    ),
}


@pytest.mark.parametrize(("beats", "status"), DEVICES.values(), ids=DEVICES)
async def test_the_most_present_device_counts(twin: Twin, beats: list[tuple[str, Status]], status: Status) -> None:
    for device, said in beats:
        await twin.realtime.beat("ana", device, said)
        await twin.realtime.beat("bruno", device, Status.AWAY)
    assert await twin.realtime.presence(["ana"]) == {"ana": status}


async def test_presence_answers_for_everyone_who_was_asked_for(twin: Twin) -> None:
    await twin.realtime.beat("ana", "phone", Status.AWAY)
    await twin.realtime.register("g1", {"s1": "bruno"})
    await twin.realtime.beat("dora", "phone", Status.ONLINE)
    expected = {"ana": Status.AWAY, "bruno": Status.ONLINE, "carla": Status.OFFLINE}
    assert await twin.realtime.presence(list(expected)) == expected
    assert await twin.realtime.presence([]) == {}


@pytest.mark.parametrize("said", [Status.AWAY, Status.OFFLINE, None], ids=["away", "offline", "no device"])
async def test_a_session_counts_as_online(twin: Twin, said: Status | None) -> None:
    await twin.realtime.register("g1", {"s1": "ana", "s2": "ana"})
    await twin.realtime.register("g2", {"s3": "ana"})
    if said:
        await twin.realtime.beat("ana", "phone", said)
    for gateway, session in (("g1", "s1"), ("g2", "s3"), ("g1", "s2")):
        assert await twin.realtime.presence(["ana"]) == {"ana": Status.ONLINE}
        await twin.realtime.unregister(gateway, session, "ana")
    assert await twin.realtime.presence(["ana"]) == {"ana": said or Status.OFFLINE}


async def test_a_device_or_session_that_is_silent_for_the_ttl_is_gone(twin: Twin) -> None:
    await twin.realtime.beat("ana", "phone", Status.ONLINE)
    await twin.realtime.register("g1", {"s1": "bruno"})
    await twin.advance(REFRESH_SECONDS)
    await twin.realtime.beat("ana", "laptop", Status.AWAY)
    await twin.advance(TTL_SECONDS - REFRESH_SECONDS - 1)
    assert await twin.realtime.presence(["ana", "bruno"]) == {"ana": Status.ONLINE, "bruno": Status.ONLINE}
    await twin.advance(2)
    assert await twin.realtime.presence(["ana", "bruno"]) == {"ana": Status.AWAY, "bruno": Status.OFFLINE}
    await twin.realtime.beat("ana", "laptop", Status.AWAY)
    await twin.advance(TTL_SECONDS - 1)
    assert await twin.realtime.presence(["ana"]) == {"ana": Status.AWAY}
    await twin.advance(2)
    assert await twin.realtime.presence(["ana"]) == {"ana": Status.OFFLINE}
    await twin.realtime.beat("ana", "phone", Status.ONLINE)
    assert await twin.realtime.presence(["ana"]) == {"ana": Status.ONLINE}


# What only Redis can do: lose the line on which pushes are heard


@pytest.mark.engine
async def test_redis_a_line_that_was_cut_begins_again_with_a_sweep(
    redis: RedisTwin, redis_server: RedisSettings
) -> None:
    async with redis.realtime.subscribe("g1") as pushes, client(redis_server) as server:
        await redis.realtime.publish(numbered("g1", 1))
        assert await receive(pushes, 1) == numbered("g1", 1)
        assert await server.execute_command("CLIENT", "KILL", "TYPE", "pubsub") > 0
        await redis.realtime.publish(numbered("g1", 1, start=1))  # nobody may hear it
        got = await receive(pushes, 1)
        while not got[-1].sweep:
            got += await receive(pushes, 1)
        await nothing_more(redis, "g1", pushes)


@pytest.mark.engine
async def test_redis_what_is_no_push_may_have_been_one(redis: RedisTwin, redis_server: RedisSettings) -> None:
    async with redis.realtime.subscribe("g1") as pushes, client(redis_server) as server:
        await server.publish(f"{redis_server.prefix}push:g1", b"\xc1")
        assert await receive(pushes, 1) == [Push(gateway="g1", sweep=True)]


@pytest.mark.engine
async def test_redis_whoever_is_cancelled_at_any_moment_of_asking_hears_it(redis: RedisTwin) -> None:
    push = numbered("nobody", 1)
    await redis.realtime.publish(push)
    heard = []
    for moment in range(10):
        asking = asyncio.create_task(redis.realtime.publish(push))
        for _ in range(moment):
            await asyncio.sleep(0)
        if asking.cancel():
            await asyncio.wait({asking})
            heard.append(asking.cancelled())
    assert heard
    assert all(heard)


@pytest.mark.engine
async def test_redis_a_server_that_takes_a_line_and_says_nothing_is_left_for_the_next(
    redis_server: RedisSettings,
) -> None:
    lines: list[asyncio.StreamWriter] = []

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(writer)
        if len(lines) == 1:
            theirs, ours = await asyncio.open_connection(redis_server.host, redis_server.port)
            await asyncio.gather(passed_on(reader, ours), passed_on(theirs, writer), return_exceptions=True)

    silent = await asyncio.start_server(take, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    settings = redis_server.model_copy(update={"port": port, "request_seconds": 1.0, "ping_seconds": 1.0})
    realtime = RedisRealtime(settings)
    async with realtime.subscribe("g1"), asyncio.timeout(DEADLINE):
        while not lines:
            await asyncio.sleep(0.01)
        lines[0].close()
        while len(lines) < 3:
            await asyncio.sleep(0.01)
    await realtime.close()
    silent.close()  # it takes no line any more; one that it took just now is in `lines` a moment later
    await silent.wait_closed()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for line in lines:
        line.close()
        with contextlib.suppress(OSError):
            await line.wait_closed()
