"""How many calls of sendMessage the simulator takes on one core."""

import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx

from bench import floors, load, process
from bench.figures import milliseconds
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from chat4all_devtools.ports import free_port

_CONNECTIONS: Final = 32
_CHATS: Final = 200
_DEADLINE: Final = 120.0  # seconds

_METHOD = """\
20,000 calls of sendMessage with a text of 200 bytes to 200 chats over 32 keep-alive connections, each calling again
when its answer is here, limits lifted; after 2,000 to warm up. Every answer is 200 and in every chat every message has
an id of its own; the call, the message and the answer are in the simulator's log before the answer leaves. The floor
reads HTTP with the same parser on the bare transport, decodes, appends a line to a file, and answers."""


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    count, warm = (2_000, 200) if occasion.quick else (20_000, 2_000)
    port = free_port()
    command = [sys.executable, "-m", "chat4all", "simulator", "--port", str(port), "--data", str(occasion.folder / "s")]
    async with process.running(
        command, port=port, log=occasion.folder / "simulator.log", core=occasion.cores.server
    ) as ours:
        token, chats = await _set_up(port)
        figures = await _call(ours, _requests(port, token, chats), count, warm)
    occasion.say(f"{figures['per_s']:,.0f} calls/s")
    async with floors.running("bot_api", occasion.folder, occasion.cores.server, str(occasion.folder)) as floor:
        least = await _call(floor, _requests(floor.port, token, chats), count, warm)
    occasion.say(f"floor: {least['per_s']:,.0f} calls/s")
    return {OURS: figures, "bare transport": least}


async def _set_up(port: int) -> tuple[str, list[int]]:
    """A bot's token, and the chats of those who have written to it."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/control/telegram", trust_env=False) as client:
        await client.put("/limits", json={"chat_second": None, "group_minute": None, "bot_second": None})
        token = (await client.put("/bots/bench_bot", json={})).json()["token"]
        chats = []
        for number in range(_CHATS):
            path = f"/phones/person_{number}"
            chats.append((await client.put(path, json={})).json()["id"])
            await client.post(f"{path}/chats/bench_bot/messages", json={"text": "/start"})
    return token, chats


async def _call(under_test: process.Process, requests: Iterator[bytes], count: int, warm: int) -> dict[str, float]:
    async with load.crowd(under_test.port, _CONNECTIONS, status=200) as crowd:
        await crowd.post_all(requests, warm, _DEADLINE)
        before = under_test.cpu_seconds()
        with load.undisturbed() as effort:
            _, seconds = await crowd.post_all(requests, count, _DEADLINE)
        used = under_test.cpu_seconds() - before
        _check(crowd.bodies)
        return {
            "per_s": count / seconds,
            "call_cpu_s": used / count * 1000,
            **milliseconds(crowd.seconds),
            "load_share": effort.share,
        }


def _check(bodies: list[bytes]) -> None:
    messages: list[dict[str, Any]] = [json.loads(body)["result"] for body in bodies]
    ids = {(message["chat"]["id"], message["message_id"]) for message in messages}
    if len(ids) != len(messages):
        raise FaultError(f"{len(messages)} messages have {len(ids)} ids")


def _requests(port: int, token: str, chats: list[int]) -> Iterator[bytes]:
    """For ever, to one chat after another."""
    return itertools.cycle([_request(port, token, chat, number) for number, chat in enumerate(chats)])


def _request(port: int, token: str, chat: int, number: int) -> bytes:
    body = json.dumps({"chat_id": chat, "text": load.content(number)}).encode()
    head = f"POST /bot{token}/sendMessage HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


MEASUREMENT: Final = Measurement(
    "simulator",
    "The simulator: sendMessage on one core",
    _METHOD,
    (
        Row("calls per second", "per_s", "more", "bare transport"),
        Row("from the call to its answer, p50, ms", "p50_ms", "less", "bare transport", 1),
        Row("from the call to its answer, p99, ms", "p99_ms", "less", "bare transport", 1),
        Row("CPU-seconds of the server per 1,000 calls", "call_cpu_s", "less", "bare transport", 2),
    ),
    measure,
)
