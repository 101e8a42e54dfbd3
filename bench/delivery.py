"""How long a message takes from one user's post to the other user's WebSocket, at a steady rate."""

import asyncio
import time
from typing import Final

from bench import floors, load, sockets, system
from bench.figures import milliseconds, percentile
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from bench.tally import Tally

_RATE: Final = 200  # messages per second
_CONNECTIONS: Final = 16
_CONVERSATIONS: Final = 10
_DEADLINE: Final = 30.0  # seconds for what is still under way at the end
_LEAD: Final = 0.2  # seconds before the first post

_METHOD = """\
ana posts 200 messages of 200 bytes a second for 15 seconds, on a fixed schedule whether or not answers are outstanding,
in turn into 10 conversations; after two seconds of the same to warm up. Measured from the moment at which the request
is written to the moment at which the frame has arrived at bruno's WebSocket, for every message. Each arrives exactly
once, the seqs of each conversation without a hole. The floor appends to the same log and then sends a frame of the same
size straight to the WebSocket, in the same process."""


class Listener(sockets.Socket):
    """bruno: notes when each message came."""

    def __init__(self, opening: bytes, *, resumes: bool) -> None:
        super().__init__(opening)
        self.ready = Tally(1, "the WebSocket is open")
        self.size = 0
        self.arrived: dict[int, float] = {}
        self.messages = Tally(0, "messages that arrived")
        self._cursors: dict[str, int] = {}
        self._resumes = resumes

    def opened(self) -> None:
        if self._resumes:
            self.say(sockets.resume(self._cursors))
        else:
            self.ready.add()

    def heard(self, payload: bytes) -> None:
        now = time.perf_counter()
        frame = sockets.decode(payload)
        if frame.type == "message":
            self._message(frame, now)
            self.size = len(payload)
        elif frame.type == "resume":
            self.ready.add()

    def _message(self, frame: sockets.Frame, now: float) -> None:
        expected = self._cursors.get(frame.conversation_id, 0) + 1
        number = int(frame.content[:7])
        if frame.seq != expected or number in self.arrived:
            raise FaultError(f"seq {frame.seq} came where {expected} was due, message {number}")
        self._cursors[frame.conversation_id] = frame.seq
        self.arrived[number] = now
        self.messages.add()


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    seconds = 3 if occasion.quick else 15
    async with system.running(occasion.folder, occasion.cores.server) as ours:
        token, other = await ours.token("ana"), await ours.token("bruno")
        ids = await ours.conversations(token, ["bruno"], _CONVERSATIONS)
        opening = sockets.handshake(ours.port, "/ws?resume=1", other)
        listener = Listener(opening, resumes=True)
        figures = await deliver(ours.port, listener, _requests(ours.port, token, ids, seconds), 2 * _RATE)
    occasion.say(f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms")
    async with floors.running("handler", occasion.folder, occasion.cores.server, str(occasion.folder)) as floor:
        listener = Listener(sockets.handshake(floor.port, "/"), resumes=False)
        least = await deliver(floor.port, listener, _requests(floor.port, token, ids, seconds), 2 * _RATE)
    occasion.say(f"floor: p50 {least['p50_ms']:.1f} ms, p99 {least['p99_ms']:.1f} ms")
    if abs(figures["frame_bytes"] - least["frame_bytes"]) > 4:
        raise FaultError(f"the floor's frames have {least['frame_bytes']} bytes, ours {figures['frame_bytes']}")
    return {OURS: figures, "raw ASGI": least}


def _requests(port: int, token: str, ids: list[str], seconds: int) -> list[bytes]:
    """The first two seconds twice."""
    all_of_it = [
        load.request(port, token, ids[number % len(ids)], load.content(number)) for number in range(_RATE * seconds)
    ]
    return all_of_it[: 2 * _RATE] + all_of_it


async def deliver(
    port: int,
    listener: Listener,
    requests: list[bytes],
    warm: int,
    *,
    status: int = 202,
    rate: int = _RATE,
    listens_at: int | None = None,
) -> dict[str, float]:
    """Post them all at the rate, answered with `status`; what the first `warm` took does not count. `listens_at`: the
    port of WebSockets, where that is another."""
    await sockets.connect(listens_at or port, listener)
    await listener.ready.full(_DEADLINE)
    try:
        async with load.crowd(port, _CONNECTIONS, status=status) as crowd:
            await _post(crowd, listener, requests[:warm], rate)
            with load.undisturbed() as effort:
                posted, late = await _post(crowd, listener, requests[warm:], rate)
    finally:
        listener.close()
    taken = [listener.arrived[number] - at for number, at in enumerate(posted)]
    return {
        **milliseconds(taken),
        "frame_bytes": listener.size,
        "schedule_p99_ms": percentile(late, 99) * 1000,
        "load_share": effort.share,
    }


async def _post(
    crowd: load.Crowd, listener: Listener, requests: list[bytes], rate: int
) -> tuple[list[float], list[float]]:
    """When each was posted, and how many seconds later than it should have been."""
    listener.arrived.clear()
    listener.messages = Tally(len(requests), "messages that arrived")
    crowd.expect(len(requests))
    posted: list[float] = []
    begins = time.perf_counter() + _LEAD
    for number, request in enumerate(requests):
        due = begins + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        posted.append(crowd.post(request))
    await crowd.all_answered(_DEADLINE)
    await listener.messages.full(_DEADLINE)
    return posted, [at - begins - number / rate for number, at in enumerate(posted)]


MEASUREMENT: Final = Measurement(
    "delivery",
    "From a post to the other user's WebSocket",
    _METHOD,
    (
        Row("p50, ms", "p50_ms", "less", "raw ASGI", 1),
        Row("p99, ms", "p99_ms", "less", "raw ASGI", 1),
        Row("longest, ms", "max_ms", "less", "raw ASGI", 1),
        Row("how late the load client posted, p99, ms", "schedule_p99_ms", "less", "raw ASGI", 1),
    ),
    measure,
)
