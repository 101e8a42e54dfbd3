"""How long a message takes from a post to the other user's WebSocket, through every engine."""

import asyncio
import itertools
from typing import Final

from bench import delivery, floors, load, sockets
from bench.measurement import OURS, Measurement, Occasion, Row, Run
from bench.stack import system
from bench.system import System

_RATE: Final = 200  # messages per second
_CONVERSATIONS: Final = 10
_DEADLINE: Final = 120.0  # seconds
_ENGINES: Final = ("kafka", "cassandra", "postgresql", "redis")

_METHOD = """\
ana posts 200 messages of 200 bytes a second for 30 seconds to an API process, on a fixed schedule whether or not
answers are outstanding, in turn into 10 conversations; after 6,000 as fast as they are accepted, and two seconds of the
same, to warm up. Measured from the moment at which the request is written to the moment at which the frame has arrived
at bruno's WebSocket at a gateway process, for every message; each arrives exactly once, the seqs of each conversation
without a hole. API, gateway and router, one process each, share all cores with the engines and the load client. The
floor is what the engines take: as many messages at the same rate, each sent to Kafka (acks=all) and back by its
consumer, its row and index entry written to Cassandra and then its head, its members read from PostgreSQL, a session
looked up and a frame published in Redis, and back by a subscription, one after another by each engine's own client, in
one process. Cassandra's commit log is synced before it answers."""


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    seconds = 3 if occasion.quick else 30
    names = ("api", "gateway", "router")
    async with system.engines(None) as stack, system.roles(stack, occasion, names) as roles:
        begun = await system.begin(roles, None, *(f"{name}1" for name in names))
        api, gateway = begun["api1"], begun["gateway1"]
        async with system.reached(api) as ours:
            token, other = await ours.token("ana"), await ours.token("bruno")
            await _warm(ours, token, 600 if occasion.quick else 6_000)
            ids = await ours.conversations(token, ["bruno"], _CONVERSATIONS)
        requests = [
            load.request(api.port, token, ids[number % len(ids)], load.content(number))
            for number in range(_RATE * seconds)
        ]
        listener = delivery.Listener(sockets.handshake(gateway.port, "/ws?resume=1", other), resumes=True)
        warm = 2 * _RATE
        figures = await delivery.deliver(api.port, listener, requests[:warm] + requests, warm, listens_at=gateway.port)
        occasion.say(f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms")
        await asyncio.to_thread(roles.stop)
        least = await floors.measured(
            "engines", occasion.folder, None, str(stack.folder), str(_RATE), str(seconds), str(warm)
        )
    occasion.say(f"floor: p50 {least['p50_ms']:.1f} ms, p99 {least['p99_ms']:.1f} ms")
    return {OURS: figures | {f"{name}_ms": least[f"{name}_ms"] for name in _ENGINES}, "the engines": least}


async def _warm(ours: System, token: str, count: int) -> None:
    """Engines that have only just been started compile what they do meanwhile."""
    ids = await ours.conversations(token, ["admin"], _CONVERSATIONS)
    requests = itertools.cycle([load.request(ours.port, token, id_, load.content(0)) for id_ in ids])
    async with load.crowd(ours.port, _CONVERSATIONS) as crowd:
        await crowd.post_all(requests, count, _DEADLINE)
    await ours.stored(token, count, _DEADLINE)


MEASUREMENT: Final = Measurement(
    "stack-delivery",
    "On real engines: from a post to the other user's WebSocket",
    _METHOD,
    (
        Row("p50, ms", "p50_ms", "less", "the engines", 1),
        Row("p99, ms", "p99_ms", "less", "the engines", 1),
        Row("p99.9, ms", "p999_ms", "less", "the engines", 1),
        Row("longest, ms", "max_ms", "less", "the engines", 1),
        Row("of the floor, Kafka: sent and read, p50, ms", "kafka_ms", "less", None, 1),
        Row("of the floor, Cassandra: row and index, then head, p50, ms", "cassandra_ms", "less", None, 1),
        Row("of the floor, PostgreSQL: members, p50, ms", "postgresql_ms", "less", None, 1),
        Row("of the floor, Redis: a lookup, then a push, p50, ms", "redis_ms", "less", None, 1),
        Row("how late the load client posted, p99, ms", "schedule_p99_ms", "less", None, 1),
    ),
    measure,
)
