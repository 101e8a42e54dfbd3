"""How many posts an API process accepts with the log on Kafka, and how many a router then stores in Cassandra."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final

from bench import floors, load
from bench.figures import milliseconds
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from bench.stack import system
from bench.system import System
from chat4all_devtools.stack.stack import Stack

_CONNECTIONS: Final = 32
_CONVERSATIONS: Final = 20
_USERS: Final = ("ana", "bruno", "admin")
_DEADLINE: Final = 180.0  # seconds
_LOOK: Final = 0.05  # seconds

_METHOD = """\
20,000 posts of 200 bytes by three users into 20 conversations, over 32 keep-alive connections to one API process that
has a core to itself, with the log on Kafka and acks=all, while no router runs; after 2,000 to warm up. The floor is a
bare aiokafka loop on the same broker: as many records of the same size, keyed by as many conversations, from 32 tasks
that each send one with acks=all and an idempotent producer and wait for it. Then one router process is started on that
core and stores all 22,000 in Cassandra, whose commit log is synced before it answers; its rate is taken from the first
5,000 that are stored to the last. The floor writes the same rows, index entries, timeline entries and heads with the
same statements in batches of the same size, by the driver's own execute_concurrent: it reads no log, looks nobody up,
and tells nobody. All engines share the other core with the load client. In the end every conversation has as many rows
as were accepted."""


async def measure(occasion: Occasion) -> Run:
    """One run: both of ours, then both floors."""
    count, warm = (2_000, 200) if occasion.quick else (20_000, 2_000)
    async with system.engines(occasion.cores.load) as stack, system.roles(stack, occasion, ("api", "router")) as roles:
        api = (await system.begin(roles, occasion.cores.server, "api1"))["api1"]
        async with system.reached(api) as ours:
            tokens = {name: await ours.token(name) for name in _USERS}
            ids = await ours.conversations(tokens["ana"], _USERS[1:], _CONVERSATIONS)
            figures = await _accept(ours, _requests(api.port, tokens, ids), count, warm)
            occasion.say(f"{figures['accepts_per_s']:,.0f} accepts/s")
            router = (await system.begin(roles, occasion.cores.server, "router1"))["router1"]
            figures |= await _routed(ours, tokens["ana"], router.cpu_seconds, count + warm, (count + warm) // 4)
            occasion.say(f"{figures['routed_per_s']:,.0f} routed/s")
        await asyncio.to_thread(roles.stop)
        least = await _floors(stack, occasion, count, warm)
    return {OURS: figures, **least}


async def _floors(stack: Stack, occasion: Occasion, count: int, warm: int) -> dict[str, dict[str, float]]:
    core, folder = occasion.cores.server, occasion.folder
    kafka = await floors.measured(
        "kafka_loop", folder, core, stack["kafka"].address, str(count), str(warm), str(_CONNECTIONS)
    )
    occasion.say(f"floor: {kafka['accepts_per_s']:,.0f} records/s")
    cassandra = await floors.measured("cassandra_rows", folder, core, str(stack["cassandra"].port()), str(count))
    occasion.say(f"floor: {cassandra['routed_per_s']:,.0f} messages' rows/s")
    return {"aiokafka": kafka, "cassandra-driver": cassandra}


async def _accept(ours: System, requests: Iterator[bytes], count: int, warm: int) -> dict[str, float]:
    async with load.crowd(ours.port, _CONNECTIONS) as crowd:
        await crowd.post_all(requests, warm, _DEADLINE)
        before = ours.process.cpu_seconds()
        with load.undisturbed() as effort:
            _, seconds = await crowd.post_all(requests, count, _DEADLINE)
        crowd.check_ids()
        return {
            "accepts_per_s": count / seconds,
            "accept_cpu_s": (ours.process.cpu_seconds() - before) / count * 1000,
            **milliseconds(crowd.seconds),
            "load_share": effort.share,
        }


async def _routed(ours: System, token: str, cpu: Callable[[], float], total: int, first: int) -> dict[str, float]:
    """From when `first` are stored until all are."""
    began, before, at = 0.0, 0.0, 0
    deadline = time.perf_counter() + _DEADLINE
    while (have := await ours.rows(token)) < total:
        now = time.perf_counter()
        if have >= first and not at:
            began, before, at = now, cpu(), have
        if now > deadline:
            raise FaultError(f"{have} of {total} rows are stored after {_DEADLINE} s")
        await asyncio.sleep(_LOOK)
    if have != total:
        raise FaultError(f"{have} rows are stored of {total} posts")
    stored = total - at
    return {
        "routed_per_s": stored / (time.perf_counter() - began),
        "routed_cpu_s": (cpu() - before) / stored * 1000,
    }


def _requests(port: int, tokens: dict[str, str], ids: list[str]) -> Iterator[bytes]:
    """For ever; neighbours are of different conversations."""
    pairs = itertools.product(tokens.values(), ids)
    return itertools.cycle(
        [load.request(port, token, id_, load.content(number)) for number, (token, id_) in enumerate(pairs)]
    )


MEASUREMENT: Final = Measurement(
    "stack-throughput",
    "On real engines: accepted on one core, and routed on one core",
    _METHOD,
    (
        Row("accepts per second, acks=all", "accepts_per_s", "more", "aiokafka"),
        Row("from the post to its 202, p50, ms", "p50_ms", "less", "aiokafka", 1),
        Row("from the post to its 202, p99, ms", "p99_ms", "less", "aiokafka", 1),
        Row("CPU-seconds of the API per 1,000 accepts", "accept_cpu_s", "less", "aiokafka", 2),
        Row("routed and stored, messages per second of one router", "routed_per_s", "more", "cassandra-driver"),
        Row("CPU-seconds of the router per 1,000 messages", "routed_cpu_s", "less", "cassandra-driver", 2),
    ),
    measure,
)
