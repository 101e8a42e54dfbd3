"""How many messages a connector sends on one core."""

import asyncio
import json
import os
import sys
from typing import Final

from bench import channel
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run

_DEADLINE: Final = 180.0  # seconds
_METHOD: Final = """\
A message of 200 bytes to each of 2,000 chats, limits lifted, by a connector that finds them all in its topic: it claims
each attempt, calls, keeps the result, indexes the provider's id, and appends the receipt, on the embedded engines, in a
process of its own on one core, with 32 chats at once; the simulator has the other. The floor is a loop over the same
HTTP client, with as many calls at once, that keeps nothing."""


async def measure(occasion: Occasion) -> Run:
    """One run: ours, then the floor."""
    people = 200 if occasion.quick else 2_000
    async with channel.running(occasion.folder, occasion.cores.load, people) as known:
        (occasion.folder / "chats.json").write_text(json.dumps(known.chats))
        figures = await _sent(occasion, known, "connector", people)
        occasion.say(f"{figures['per_s']:,.0f} messages/s")
        least = await _sent(occasion, known, "bare", people)
        occasion.say(f"floor: {least['per_s']:,.0f} messages/s")
    return {OURS: figures, "bare HTTP client": least}


async def _sent(occasion: Occasion, known: channel.Channel, what: str, people: int) -> dict[str, float]:
    data = occasion.folder / what
    data.mkdir()
    place = [str(data), str(known.folder), known.url, known.token, str(occasion.folder / "chats.json")]
    command = [sys.executable, "-m", "bench.sender", what, str(occasion.cores.server), *place]
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    async with asyncio.timeout(_DEADLINE):
        out, err = await child.communicate()
    if child.returncode != 0:
        raise FaultError(f"{what}: {err.decode(errors='replace')[-2000:]}")
    told = json.loads(out)
    return {"per_s": people / told["seconds"], "cpu_ms": told["cpu"] / people * 1000}


MEASUREMENT: Final = Measurement(
    "outbound",
    "A connector: messages sent on one core",
    _METHOD,
    (
        Row("messages per second", "per_s", "more", "bare HTTP client"),
        Row("CPU-milliseconds per message, the start included", "cpu_ms", "less", "bare HTTP client", 2),
    ),
    measure,
)
