"""How many posts one core accepts, and how long each takes."""

import itertools
from collections.abc import Iterator
from typing import Final

from bench import floors, load, system
from bench.figures import milliseconds
from bench.measurement import OURS, Measurement, Occasion, Row, Run
from bench.process import Process

_CONNECTIONS: Final = 32
_CONVERSATIONS: Final = 20
_USERS: Final = ("ana", "bruno", "admin")
_DEADLINE: Final = 120.0  # seconds

_METHOD = """\
20,000 posts of 200 bytes, without an Idempotency-Key, by three users into 20 conversations, over 32 keep-alive
connections that each post again when their answer is here; after 2,000 to warm up. Every 202 is counted, every id is
another one, and in the end the conversations have that many rows more. Embedded mode has one core for everything: while
it accepts, it also routes and stores what it accepted before, and pushes to nobody. The floor is a raw ASGI handler
under uvicorn with the same options, which decodes with msgspec, appends to the same log in the same way, and answers:
it checks no token and no membership, and routes nothing."""


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    count, warm = (2_000, 200) if occasion.quick else (20_000, 2_000)
    async with system.running(occasion.folder, occasion.cores.server) as ours:
        tokens = {name: await ours.token(name) for name in _USERS}
        ids = await ours.conversations(tokens["ana"], _USERS[1:], _CONVERSATIONS)
        requests = _requests(ours.port, tokens, ids)
        async with load.crowd(ours.port, _CONNECTIONS) as crowd:
            await crowd.post_all(requests, warm, _DEADLINE)
            await ours.stored(tokens["ana"], warm, _DEADLINE)
            before = ours.process.cpu_seconds()
            figures, began = await _accept(ours.process, crowd, requests, count)
            all_stored = await ours.stored(tokens["ana"], warm + count, _DEADLINE)
            figures["stored_per_s"] = count / (all_stored - began)
            figures["whole_cpu_s"] = (ours.process.cpu_seconds() - before) / count * 1000
    occasion.say(f"{figures['per_s']:,.0f} accepts/s")
    async with floors.running("handler", occasion.folder, occasion.cores.server, str(occasion.folder)) as floor:
        requests = _requests(floor.port, tokens, ids)
        async with load.crowd(floor.port, _CONNECTIONS) as crowd:
            await crowd.post_all(requests, warm, _DEADLINE)
            least, _ = await _accept(floor, crowd, requests, count)
    occasion.say(f"floor: {least['per_s']:,.0f} accepts/s")
    return {OURS: figures, "raw ASGI": least}


async def _accept(
    process: Process, crowd: load.Crowd, requests: Iterator[bytes], count: int
) -> tuple[dict[str, float], float]:
    """The figures, and when the first was posted, on time.perf_counter."""
    before = process.cpu_seconds()
    with load.undisturbed() as effort:
        began, seconds = await crowd.post_all(requests, count, _DEADLINE)
    used = process.cpu_seconds() - before
    crowd.check_ids()
    return {
        "per_s": count / seconds,
        "accept_cpu_s": used / count * 1000,
        **milliseconds(crowd.seconds),
        "load_share": effort.share,
    }, began


def _requests(port: int, tokens: dict[str, str], ids: list[str]) -> Iterator[bytes]:
    """For ever; neighbours are of different users and conversations."""
    pairs = itertools.product(ids, tokens.values())
    made = [load.request(port, token, id_, load.content(number)) for number, (id_, token) in enumerate(pairs)]
    return itertools.cycle(made[::7] + [one for at, one in enumerate(made) if at % 7])


MEASUREMENT: Final = Measurement(
    "accepts",
    "Accepts on one core",
    _METHOD,
    (
        Row("accepts per second", "per_s", "more", "raw ASGI"),
        Row("from the post to its 202, p50, ms", "p50_ms", "less", "raw ASGI", 1),
        Row("from the post to its 202, p99, ms", "p99_ms", "less", "raw ASGI", 1),
        Row("CPU-seconds of the server per 1,000 accepts", "accept_cpu_s", "less", "raw ASGI", 2),
        Row("accepted, routed and stored, messages per second", "stored_per_s", "more"),
        Row("CPU-seconds per 1,000 messages until all are routed and stored", "whole_cpu_s", "less", None, 2),
    ),
    measure,
)
