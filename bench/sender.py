"""`python -m bench.sender connector|bare ...`: sends so many messages to a simulator and prints how long that took.

`connector`: a connector as it runs, over the embedded engines, with what it is to send in its topic already. `bare`:
the same calls by a loop over an HTTP client, with as many at once, that keeps nothing.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from bench import load
from chat4all.connectors.running import RunningConnectors
from chat4all.connectors.settings import ChannelsSettings
from chat4all.connectors.supervisor import Supervisor
from chat4all.directory.port import Role, User
from chat4all.directory.sql.channels import SqlChannels
from chat4all.directory.sql.directory import SqlDirectory
from chat4all.directory.sql.engine import Sql
from chat4all.limits.embedded import EmbeddedLimits
from chat4all.log.embedded import EmbeddedLog
from chat4all.log.port import CONVERSATIONS, DEAD_LETTERS, EVENTS, Entry, Topic, outbound_topic
from chat4all.model import outbound
from chat4all.model.ids import new_id
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.telemetry.metrics import Metrics
from chat4all.telemetry.traces import Traces

NAME: Final = "local.bench"
_AT_ONCE: Final = 32  # chats that a connector writes to at once
_SENT: Final = {"connector": NAME, "outcome": "sent"}
_LOOK: Final = 0.01  # seconds


class Engines:
    """What a connector stands on."""

    def __init__(self, folder: Path) -> None:
        self.log = EmbeddedLog(folder / "log.db")
        self.ledger = EmbeddedLedger(folder / "ledger.db")
        self._sql = Sql.in_file(folder / "directory.db")
        self.directory = SqlDirectory(self._sql)
        self.channels = SqlChannels(self._sql)
        self.limits = EmbeddedLimits()
        self.metrics = Metrics()
        self.traces = Traces()

    async def open(self) -> None:
        """All of them."""
        for engine in (self.log, self.ledger, self._sql):
            await engine.open()
        await self.log.create([Topic(name, 8, 1e9) for name in (CONVERSATIONS, EVENTS, DEAD_LETTERS)])
        await self.directory.add_user(User(username="ana", role=Role.AGENT))

    def sent(self) -> float:
        """How many messages were."""
        return self.metrics.registry.get_sample_value("chat4all_attempts_total", _SENT) or 0.0


async def connector(folder: Path, files: Path, chats: list[int]) -> float:
    """Seconds from the start of the connector to the last result."""
    engines = Engines(folder)
    await engines.open()
    settings = ChannelsSettings(folder=files)
    connectors = RunningConnectors(engines, settings, holder="bench", on_outbox_change=lambda: None)
    supervisor = Supervisor(engines, settings, connectors)
    await supervisor.register()
    entries = [_entry(chat, number) for number, chat in enumerate(chats)]
    await engines.log.append(entries)
    began = time.perf_counter()
    running = asyncio.create_task(supervisor.run())
    while True:
        await asyncio.sleep(_LOOK)
        if engines.sent() >= len(chats):
            break
    took = time.perf_counter() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return took


async def bare(url: str, token: str, chats: list[int]) -> float:
    """Seconds of the same calls."""
    gate = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_AT_ONCE)) as session:

        async def send(number: int, chat: int) -> None:
            async with gate:
                body = {"chat_id": chat, "text": load.content(number)}
                async with session.post(f"{url}/bot{token}/sendMessage", json=body) as response:
                    answer: dict[str, Any] = await response.json()
                if not answer["ok"]:
                    raise RuntimeError(str(answer))

        began = time.perf_counter()
        await asyncio.gather(*(send(number, chat) for number, chat in enumerate(chats)))
        return time.perf_counter() - began


def _entry(chat: int, number: int) -> Entry:
    record = outbound.OutboundSend(
        record_id=new_id(),
        message_id=new_id(),
        conversation_id=new_id(),
        recipient=f"contact-{chat}",
        link=new_id(),
        generation=0,
        destination=str(chat),
        text=load.content(number),
    )
    return Entry(outbound_topic(NAME).name, str(chat).encode(), msgspec.json.encode(record))


def main() -> None:
    """Print {"seconds", "cpu"}."""
    parser = argparse.ArgumentParser()
    for name in ("what", "core", "folder", "files", "url", "token", "chats"):
        parser.add_argument(name)
    given = parser.parse_args()
    os.sched_setaffinity(0, {int(given.core)})
    chats = json.loads(Path(given.chats).read_text())
    cpu = time.process_time()
    if given.what == "connector":
        seconds = asyncio.run(connector(Path(given.folder), Path(given.files), chats))
    else:
        seconds = asyncio.run(bare(given.url, given.token, chats))
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
