"""How long it takes from a provider's webhook to the WebSocket of somebody who is in the inbox."""

import itertools
import json
import time
from typing import Final

from bench import channel, floors, load, sockets, system
from bench.delivery import Listener, deliver
from bench.measurement import OURS, Measurement, Occasion, Row, Run
from chat4all.connectors.supervisor import uid_of

_RATE: Final = 50  # updates per second
_CHATS: Final = 10
_TOKEN: Final = "x" * 330  # the floor looks at none

_METHOD: Final = """\
Ten people write 50 messages of 200 bytes a second for 15 seconds, as Telegram posts them to a connector's webhook, on
a fixed schedule; after two seconds of the same to warm up. Measured from the moment at which the request is written to
the moment at which the frame has arrived at ana's WebSocket, who is in the inbox. Each arrives exactly once, the seqs
of each conversation without a hole. The floor is that of "From a post to the other user's WebSocket": one append to the
same log, and a frame."""


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    seconds = 3 if occasion.quick else 15
    async with channel.running(occasion.folder, None, _CHATS) as known:
        settings = {
            "CHAT4ALL_CHANNELS__FOLDER": str(known.folder),
            "CHAT4ALL_CHANNELS__PUBLIC_URL": "http://127.0.0.1:9",
        }
        async with system.running(occasion.folder, occasion.cores.server, settings) as ours:
            await ours.posted_to()
            listener = Listener(sockets.handshake(ours.port, "/ws?resume=1", await ours.token("ana")), resumes=True)
            updates = itertools.count(1)
            requests = [_request(ours.port, known.chats, next(updates), n) for n in range(2 * _RATE)]
            requests += [_request(ours.port, known.chats, next(updates), n) for n in range(_RATE * seconds)]
            figures = await deliver(ours.port, listener, requests, 2 * _RATE, status=200, rate=_RATE)
    occasion.say(f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms")
    async with floors.running("handler", occasion.folder, occasion.cores.server, str(occasion.folder)) as floor:
        listener = Listener(sockets.handshake(floor.port, "/"), resumes=False)
        posts = [
            load.request(floor.port, "x" * 330, f"chat{n % _CHATS}", load.content(n)) for n in range(_RATE * seconds)
        ]
        least = await deliver(floor.port, listener, [*posts[: 2 * _RATE], *posts], 2 * _RATE, rate=_RATE)
    occasion.say(f"floor: p50 {least['p50_ms']:.1f} ms, p99 {least['p99_ms']:.1f} ms")
    return {OURS: figures, "raw ASGI": least}


def _request(port: int, chats: list[int], update: int, number: int) -> bytes:
    chat = chats[number % len(chats)]
    person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}"}
    message = {
        "message_id": update + 10,
        "date": int(time.time()),
        "chat": {"id": chat, "type": "private", "first_name": person["first_name"]},
        "from": person,
        "text": load.content(number),
    }
    body = json.dumps({"update_id": update, "message": message}).encode()
    head = (
        f"POST /hooks/telegram/{uid_of('local.bench')} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: application/json\r\nX-Telegram-Bot-Api-Secret-Token: {channel.SIGNATURE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


MEASUREMENT: Final = Measurement(
    "inbound",
    "From a provider's webhook to a WebSocket",
    _METHOD,
    (
        Row("p50, ms", "p50_ms", "less", "raw ASGI", 1),
        Row("p99, ms", "p99_ms", "less", "raw ASGI", 1),
        Row("longest, ms", "max_ms", "less", "raw ASGI", 1),
        Row("how late the load client posted, p99, ms", "schedule_p99_ms", "less", "raw ASGI", 1),
    ),
    measure,
)
