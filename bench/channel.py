"""A simulator of Telegram to be measured against: a process of its own, a bot, people who have written to it."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from bench import process
from chat4all_devtools.ports import free_port

SIGNATURE: Final = "secret_of_this_measurement"
_BOT: Final = "bench_bot"

_FILE: Final = """\
apiVersion: v1
kind: Secret
metadata: {{name: bench}}
stringData: {{botToken: "{token}", webhookSecret: {secret}}}
---
apiVersion: chat4all.io/v1alpha1
kind: ChannelConnector
metadata: {{name: bench}}
spec:
  channel: telegram
  credentialsSecretRef: {{name: bench}}
  config: {{baseURL: "{url}"}}
  inbox: {{members: [ana]}}
  rateLimit: {{perSecond: 10000}}
"""


class Channel(NamedTuple):
    """`chats`: of those who have written; `folder`: with a file that asks for a connector."""

    url: str
    token: str
    chats: list[int]
    folder: Path


@contextlib.asynccontextmanager
async def running(folder: Path, core: int | None, people: int) -> AsyncIterator[Channel]:
    """Without limits, and with so many people."""
    port = free_port()
    command = [sys.executable, "-m", "chat4all", "simulator", "--port", str(port), "--data", str(folder / "simulator")]
    async with process.running(command, port=port, log=folder / "simulator.log", core=core):
        url = f"http://127.0.0.1:{port}"
        token, chats = await _set_up(url, people)
        files = folder / "connectors"
        files.mkdir(exist_ok=True)
        (files / "bench.yaml").write_text(_FILE.format(token=token, secret=SIGNATURE, url=url))
        yield Channel(url, token, chats, files)


async def _set_up(url: str, people: int) -> tuple[str, list[int]]:
    async with httpx.AsyncClient(base_url=f"{url}/control/telegram", trust_env=False, timeout=30) as client:
        await client.put("/limits", json={"chat_second": None, "group_minute": None, "bot_second": None})
        token = (await client.put(f"/bots/{_BOT}", json={})).json()["token"]
        chats = []
        for number in range(people):
            path = f"/phones/person_{number}"
            chats.append((await client.put(path, json={})).json()["id"])
            await client.post(f"{path}/chats/{_BOT}/messages", json={"text": "/start"})
    return token, chats
