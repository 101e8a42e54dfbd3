"""Resident memory over half an hour and 100,000 messages: what grows shows."""

import asyncio
import contextlib
import dataclasses
import itertools
import time
from collections.abc import AsyncIterator
from typing import Final

from bench import floors, load, system
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from bench.people import Person
from bench.process import Process

_CONVERSATIONS: Final = 20
_CONNECTIONS: Final = 8
_WARM: Final = 1_000  # messages
_DEADLINE: Final = 60.0  # seconds
_FLOOR: Final = "raw ASGI"

_METHOD = """\
100,000 messages of 200 bytes over 30 minutes, ana and bruno in turn, in 20 conversations. Both are connected and
acknowledge what they get, and each of them loses the line and resumes once a minute; both get every message exactly
once, in order. Resident memory (Rss) is read every 30 seconds, from after a warm-up of 1,000 messages on. The runs are
made at the same time, each with a server and a floor of its own, without a core to itself. The floor is the raw ASGI
handler of the first measurement, which has the same posts and no WebSockets."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Plan:
    """How long and how much. Times in seconds."""

    messages: int
    seconds: float
    sample_every: float
    resume_every: float


_WHOLE: Final = _Plan(100_000, 1_800, 30, 60)
_QUICK: Final = _Plan(1_000, 18, 1, 3)


@dataclasses.dataclass(frozen=True, slots=True)
class _Stage:
    """All that one run has."""

    ours: system.System
    floor: Process
    tokens: dict[str, str]
    ids: list[str]
    people: list[Person]
    posts: tuple[load.Crowd, load.Crowd]  # ours, the floor's

    def requests(self, port: int, number: int) -> bytes:
        """The post of that number: ana and bruno in turn, each in every conversation."""
        token = self.tokens[("ana", "bruno")[number % 2]]
        return load.request(port, token, self.ids[number // 2 % len(self.ids)], load.content(number))


@contextlib.asynccontextmanager
async def _staged(occasion: Occasion) -> AsyncIterator[_Stage]:
    async with (
        system.running(occasion.folder, None) as ours,
        floors.running("handler", occasion.folder, None, str(occasion.folder)) as floor,
        load.crowd(ours.port, _CONNECTIONS) as posts,
        load.crowd(floor.port, _CONNECTIONS) as floors_posts,
    ):
        tokens = {name: await ours.token(name) for name in ("ana", "bruno")}
        ids = await ours.conversations(tokens["ana"], ["bruno"], _CONVERSATIONS)
        people = [Person(name, ours.port, token) for name, token in tokens.items()]
        try:
            for person in people:
                await person.connect()
            yield _Stage(ours, floor, tokens, ids, people, (posts, floors_posts))
        finally:
            for person in people:
                person.leave()


async def measure(occasion: Occasion) -> Run:
    """One run: ours and the floor at the same time."""
    plan = _QUICK if occasion.quick else _WHOLE
    async with _staged(occasion) as stage:
        await _warm_up(stage)
        samples, _, _ = await asyncio.gather(
            _sample(occasion, stage, plan), _post(stage, plan), _come_and_go(stage, plan)
        )
        await _check(stage, _WARM + plan.messages)
    return {OURS: _figures(samples, plan, 1), _FLOOR: _figures(samples, plan, 2)}


async def _warm_up(stage: _Stage) -> None:
    for crowd, port in zip(stage.posts, (stage.ours.port, stage.floor.port), strict=True):
        requests = [stage.requests(port, number) for number in range(_WARM)]
        await crowd.post_all(requests, _WARM, _DEADLINE)


async def _post(stage: _Stage, plan: _Plan) -> None:
    """At a steady rate, whether answers are outstanding or not."""
    loop = asyncio.get_running_loop()
    begins = loop.time()
    for crowd in stage.posts:
        crowd.expect(plan.messages)
    for number in range(plan.messages):
        await asyncio.sleep(max(begins + number * plan.seconds / plan.messages - loop.time(), 0))
        for crowd, port in zip(stage.posts, (stage.ours.port, stage.floor.port), strict=True):
            crowd.post(stage.requests(port, _WARM + number))
    for crowd in stage.posts:
        await crowd.all_answered(_DEADLINE)


async def _sample(occasion: Occasion, stage: _Stage, plan: _Plan) -> list[tuple[float, int, int]]:
    """Seconds since the start, KiB of ours, KiB of the floor."""
    samples = []
    began = time.monotonic()
    for number in itertools.count():
        due = number * plan.sample_every
        await asyncio.sleep(max(began + due - time.monotonic(), 0))
        samples.append((due, stage.ours.process.rss_kib(), stage.floor.rss_kib()))
        if number % 10 == 0:
            occasion.say(f"{due:.0f} s: {samples[-1][1] / 1024:.1f} MiB, floor {samples[-1][2] / 1024:.1f} MiB")
        if due >= plan.seconds:
            break
    return samples


async def _come_and_go(stage: _Stage, plan: _Plan) -> None:
    """By turns, as long as there are posts."""
    pause = plan.resume_every / len(stage.people)
    for person, _ in zip(itertools.cycle(stage.people), range(int(plan.seconds / pause) - 1), strict=False):
        await asyncio.sleep(pause)
        await person.connect()


async def _check(stage: _Stage, messages: int) -> None:
    """All is stored, and both have all of it. Raises FaultError."""
    await stage.ours.stored(stage.tokens["ana"], messages, _DEADLINE)
    for person in stage.people:
        await person.connect()  # what was under way when the posts ended has come when the resume is answered
        if sum(person.cursors.values()) != messages:
            raise FaultError(f"{person.name} got {sum(person.cursors.values())} of {messages}")


def _figures(samples: list[tuple[float, int, int]], plan: _Plan, column: int) -> dict[str, float]:
    """MiB at the start, after each third, and at most; then every sample."""
    by_time = {sample[0]: sample[column] / 1024 for sample in samples}
    thirds = {f"third_{part}": by_time[part * plan.seconds / 3] for part in range(4)}
    every = {f"at_{at:.0f}_s": value for at, value in by_time.items()}
    return {**thirds, "most": max(by_time.values()), "growth": thirds["third_3"] - thirds["third_1"], **every}


MEASUREMENT: Final = Measurement(
    "memory",
    "Memory over 30 minutes and 100,000 messages",
    _METHOD,
    (
        Row("MiB at the start", "third_0", "less", _FLOOR, 1),
        Row("MiB after 10 minutes", "third_1", "less", _FLOOR, 1),
        Row("MiB after 20 minutes", "third_2", "less", _FLOOR, 1),
        Row("MiB after 30 minutes", "third_3", "less", _FLOOR, 1),
        Row("MiB at most", "most", "less", _FLOOR, 1),
        Row("MiB grown from minute 10 to minute 30", "growth", "less", None, 1),
    ),
    measure,
    together=True,
)
