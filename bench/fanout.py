"""One message to thousands of sockets: what a delivery costs, and what an open socket costs."""

import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from bench import floors, load, sockets, system
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from bench.process import Process
from bench.tally import Tally

_USERS: Final = 30
_DEADLINE: Final = 60.0  # seconds
_FLOORS: Final = {"websockets broadcast()": "broadcast", "picows": "picows_peer", "uvicorn, bare ASGI": "asgi_peer"}

_METHOD = """\
30 messages of 200 bytes, one after the other, each to 3,000 sockets of 30 users who are all in one conversation; the
next one is posted when all have the one before. Every socket gets every message once and in order. A frame differs by
user, so it is made 30 times; sockets of 3,000 users would cost more. Deliveries per
CPU-second: the server's user and system time from before the first post until the last frame has arrived; ours includes
accepting, the log, routing and storing. KiB per socket: how much more resident memory (Rss) the server has when all
sockets are open and have resumed, without the kernel's buffers. The floors send the very same bytes to as many sockets,
all on uvloop and without compression: the websockets package with its own broadcast(), picows, which is written in C,
and a bare ASGI application with a task and a queue per connection under uvicorn. The gateway's transport is chosen by
the first figure: the goal is 0.8 of broadcast()."""


class _Audience:
    """All sockets of one server. `payloads`: what the first of them has got."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.payloads: list[bytes] = []
        self.ready = Tally(size, "sockets that are open")
        self.message = Tally(size, "sockets that have the message")
        self.ears: list[_Ear] = []

    def next_message(self) -> None:
        self.message = Tally(self.size, "sockets that have the message")

    @contextlib.asynccontextmanager
    async def listening(self, port: int, openings: Sequence[bytes], start: int, first: bytes) -> AsyncIterator[None]:
        """Open them all. `first`: what each says first, if anything; `start`: the last seq that it has."""
        self.ears = [_Ear(openings[at % len(openings)], self, start, first) for at in range(self.size)]
        try:
            await sockets.connect_all(port, self.ears)
            await self.ready.full(_DEADLINE)
            yield
        finally:
            sockets.close_all(self.ears)


class _Ear(sockets.Socket):
    def __init__(self, opening: bytes, audience: _Audience, seq: int, first: bytes) -> None:
        super().__init__(opening)
        self._audience = audience
        self._seq = seq
        self._first = first

    def opened(self) -> None:
        if self._first:
            self.say(self._first)
        else:
            self._audience.ready.add()

    def heard(self, payload: bytes) -> None:
        frame = sockets.decode(payload)
        if frame.type == "message":
            if frame.seq != self._seq + 1:
                raise FaultError(f"seq {frame.seq} came after {self._seq}")
            self._seq = frame.seq
            if self is self._audience.ears[0]:
                self._audience.payloads.append(payload)
            self._audience.message.add()
        elif frame.type == "resume":
            self._audience.ready.add()


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then each floor with the same bytes."""
    size, count = (300, 30) if occasion.quick else (3_000, 30)
    figures, payloads = await _ours(occasion, size, count)
    run: Run = {OURS: figures}
    _tell(occasion, OURS, figures)
    for name, module in _FLOORS.items():
        run[name] = await _floor(occasion, module, size, payloads)
        _tell(occasion, name, run[name])
    return run


async def _ours(occasion: Occasion, size: int, count: int) -> tuple[dict[str, float], list[bytes]]:
    audience = _Audience(size)
    async with system.running(occasion.folder, occasion.cores.server) as ours:
        token = await ours.token("ana")
        people = await ours.people(_USERS)
        (chat,) = await ours.conversations(token, list(people))
        requests = [load.request(ours.port, token, chat, load.content(number)) for number in range(count)]
        openings = [sockets.handshake(ours.port, "/ws?resume=1", one) for one in people.values()]
        before = ours.process.rss_kib()
        async with (
            audience.listening(ours.port, openings, 0, sockets.resume({})),
            load.crowd(ours.port, 1) as crowd,
        ):
            grown = ours.process.rss_kib() - before
            crowd.expect(count)
            figures = await _send(ours.process, audience, [_posting(crowd, one) for one in requests])
            await crowd.all_answered(_DEADLINE)
    return {**figures, "kib": grown / size}, audience.payloads


async def _floor(occasion: Occasion, module: str, size: int, payloads: list[bytes]) -> dict[str, float]:
    audience = _Audience(size)
    start = sockets.decode(payloads[0]).seq - 1
    async with floors.running(module, occasion.folder, occasion.cores.server) as floor:
        control = sockets.Socket(sockets.handshake(floor.port, "/control"))
        before = floor.rss_kib()
        try:
            async with audience.listening(floor.port, [sockets.handshake(floor.port, "/")], start, b""):
                grown = floor.rss_kib() - before
                await sockets.connect(floor.port, control)
                figures = await _send(floor, audience, [_saying(control, one) for one in payloads])
        finally:
            control.close()
    if audience.payloads != payloads:
        raise FaultError("the floor did not send the same bytes")
    return {**figures, "kib": grown / size}


async def _send(process: Process, audience: _Audience, sends: Sequence[Callable[[], None]]) -> dict[str, float]:
    """Each when all have the one before."""
    walls = []
    with load.undisturbed() as effort:
        used = process.cpu_seconds()
        for send in sends:
            audience.next_message()
            began = time.perf_counter()
            send()
            await audience.message.full(_DEADLINE)
            walls.append(audience.message.full_at - began)
        used = process.cpu_seconds() - used
    deliveries = audience.size * len(sends)
    return {
        "per_cpu_s": deliveries / max(used, 0.01),
        "per_s": deliveries / sum(walls),
        "all_ms": statistics.median(walls) * 1000,
        "load_share": effort.share,
    }


def _posting(crowd: load.Crowd, request: bytes) -> Callable[[], None]:
    def send() -> None:
        crowd.post(request)

    return send


def _saying(control: sockets.Socket, payload: bytes) -> Callable[[], None]:
    def send() -> None:
        control.say(payload)

    return send


def _tell(occasion: Occasion, name: str, figures: dict[str, float]) -> None:
    occasion.say(f"{name}: {figures['per_cpu_s']:,.0f} per CPU-second, {figures['kib']:.1f} KiB per socket")


def _rows() -> tuple[Row, ...]:
    first, *others = _FLOORS
    return (
        Row("deliveries per CPU-second", "per_cpu_s", "more", first, goal="at least 0.8"),
        *(Row("deliveries per CPU-second", "per_cpu_s", "more", name) for name in others),
        Row("deliveries per second", "per_s", "more", first),
        Row("until all 3,000 have a message, median, ms", "all_ms", "less", first, 1),
        *(Row("KiB per socket", "kib", "less", name, 1) for name in _FLOORS),
    )


MEASUREMENT: Final = Measurement("fanout", "One message to 3,000 sockets", _METHOD, _rows(), measure)
