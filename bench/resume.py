"""Thousands of clients that come back at the same moment, each with something to catch up on."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from bench import floors, load, sockets, system
from bench.figures import milliseconds
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from bench.process import Process
from bench.tally import Tally

_USERS: Final = 20
_MISSED: Final = 20
_BEFORE: Final = 10  # messages that every client has
_DEADLINE: Final = 120.0  # seconds

_METHOD = """\
2,000 clients (100 sessions each of 20 users) connect at once and resume; each lacks the last 20 messages, of 200 bytes,
of the one conversation that they are in. Measured per client from the start of its connection to the answer to its
resume, which comes when all that it missed has been sent; every client gets exactly the 20, in order. The floor is a
bare websockets server that sends the same 21 frames to everyone who says something: it checks no token, reads no store
and tells nobody that someone is here."""


class _Returner(sockets.Socket):
    """`heard_all`: the payloads that it has got of what it missed, with the answer."""

    def __init__(self, opening: bytes, first: bytes, seq: int, back: Tally) -> None:
        super().__init__(opening)
        self.began = 0.0
        self.ended = 0.0
        self.payloads: list[bytes] = []
        self._first = first
        self._seq = seq
        self._back = back

    def opened(self) -> None:
        self.say(self._first)

    def heard(self, payload: bytes) -> None:
        frame = sockets.decode(payload)
        if frame.type == "message":
            if frame.seq != self._seq + 1:
                raise FaultError(f"seq {frame.seq} came after {self._seq}")
            self._seq = frame.seq
            self.payloads.append(payload)
        elif frame.type == "resume":
            self.payloads.append(payload)
            if len(self.payloads) != _MISSED + 1:
                raise FaultError(f"{len(self.payloads) - 1} of {_MISSED} missed messages came before the answer")
            self.ended = time.perf_counter()
            self._back.add()


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor with the same bytes."""
    size = 200 if occasion.quick else 2_000
    back = Tally(size, "clients that have resumed")
    async with system.running(occasion.folder, occasion.cores.server) as ours:
        token = await ours.token("ana")
        people = await ours.people(_USERS)
        (chat,) = await ours.conversations(token, list(people))
        last = await _fill(ours, token, chat)
        openings = [sockets.handshake(ours.port, "/ws?resume=1", one) for one in people.values()]
        first = sockets.resume({chat: last - _MISSED})
        clients = [_Returner(openings[at % _USERS], first, last - _MISSED, back) for at in range(size)]
        figures = await _return(ours.process, clients, back)
    occasion.say(f"all {size} back in {figures['all_s']:.2f} s")
    least = await _floor(occasion, clients[0].payloads, first, last - _MISSED, size)
    occasion.say(f"floor: all {size} back in {least['all_s']:.2f} s")
    return {OURS: figures, "bare websockets": least}


async def _fill(ours: system.System, token: str, chat: str) -> int:
    """Post what will be missed, and some before it; the last seq."""
    count = _BEFORE + _MISSED
    async with load.crowd(ours.port, 1) as crowd:
        requests = [load.request(ours.port, token, chat, load.content(number)) for number in range(count)]
        await crowd.post_all(requests, count, _DEADLINE)
    await ours.stored(token, count, _DEADLINE)
    return count


async def _floor(occasion: Occasion, payloads: list[bytes], first: bytes, seq: int, size: int) -> dict[str, float]:
    back = Tally(size, "clients that have resumed")
    frames = _written(occasion, payloads)
    async with floors.running("replay", occasion.folder, occasion.cores.server, frames) as floor:
        opening = sockets.handshake(floor.port, "/")
        clients = [_Returner(opening, first, seq, back) for _ in range(size)]
        return await _return(floor, clients, back)


def _written(occasion: Occasion, payloads: list[bytes]) -> str:
    file = occasion.folder / "frames"
    file.write_bytes(b"\n".join(payloads))
    return str(file)


async def _return(process: Process, clients: Sequence[_Returner], back: Tally) -> dict[str, float]:
    """All at once."""
    used = process.cpu_seconds()
    began = time.perf_counter()
    try:
        with load.undisturbed() as effort:
            await asyncio.gather(*(_begin(process.port, client) for client in clients))
            await back.full(_DEADLINE)
        used = process.cpu_seconds() - used
    finally:
        sockets.close_all(clients)
    taken = [client.ended - client.began for client in clients]
    return {"all_s": back.full_at - began, "cpu_s": used, **milliseconds(taken), "load_share": effort.share}


async def _begin(port: int, client: _Returner) -> None:
    client.began = time.perf_counter()
    await sockets.connect(port, client)


MEASUREMENT: Final = Measurement(
    "resume",
    "2,000 clients resume at once",
    _METHOD,
    (
        Row("until all have what they missed, s", "all_s", "less", "bare websockets", 2),
        Row("per client, p50, ms", "p50_ms", "less", "bare websockets"),
        Row("per client, p99, ms", "p99_ms", "less", "bare websockets"),
        Row("CPU-seconds of the server", "cpu_s", "less", "bare websockets", 2),
    ),
    measure,
)
