"""The server behind the windows: a process of its own, people who are registered, and what REST says was said."""

import asyncio
import contextlib
import itertools
import json
from pathlib import Path
from typing import Any, Final

import httpx
from tests.forking.processes import begin

from chat4all.client import AnswerError, Client
from chat4all_devtools.server import Server

DEADLINE: Final = 60.0  # seconds until something that must happen has happened
PASSWORD: Final = "long-enough"  # of everyone whom a test registers; hack/tiers.py looks for it in the logs
DEMO: Final = ("ana", "bruno", "admin")

_CONNECTIONS: Final = 64
_UNLIMITED: Final = {
    "CHAT4ALL_API__POSTS_PER_SECOND": "100000",
    "CHAT4ALL_API__POST_BURST": "100000",
    "CHAT4ALL_ACCOUNTS__LOGINS_PER_MINUTE": "100000",
    "CHAT4ALL_ACCOUNTS__LOGIN_BURST": "1000",
}

_numbers = itertools.count(1)


class Hub:
    """A server on this folder, with limits that no test reaches. `settings`: other environment variables."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self._server = Server(folder / "data", folder / "server.log", {**_UNLIMITED, **(settings or {})}, popen=begin)
        self._clients: dict[str, Client] = {}
        self.url = self._server.url

    async def start(self) -> None:
        """Start it, the first time or again on the same data and port."""
        await asyncio.to_thread(self._server.start)

    async def kill(self) -> None:
        """SIGKILL."""
        await asyncio.to_thread(self._server.kill)
        await self._forget()

    async def close(self) -> None:
        """The end."""
        await self._forget()
        await asyncio.to_thread(self._server.stop)

    async def _forget(self) -> None:
        while self._clients:
            await self._clients.popitem()[1].__aexit__()

    async def newcomer(self, prefix: str, role: str = "user") -> str:
        """Register somebody of an unused name; the name."""
        name = f"{prefix}{next(_numbers)}"
        await self.client("admin").call("POST", "/v1/users", {"username": name, "password": PASSWORD, "role": role})
        return name

    async def newcomers(self, *prefixes: str) -> list[str]:
        """Several at once."""
        return await asyncio.gather(*map(self.newcomer, prefixes))

    def client(self, username: str) -> Client:
        """Somebody at a REST client."""
        if username not in self._clients:
            self._clients[username] = Client(self.url, username, "demo" if username in DEMO else PASSWORD)
        return self._clients[username]

    async def conversation(self, creator: str, *members: str, title: str | None = None) -> str:
        """Begin one; its id."""
        kind = "private" if len(members) == 1 and title is None else "group"
        body = {"type": kind, "members": list(members), "metadata": {} if title is None else {"title": title}}
        return str((await self.client(creator).call("POST", "/v1/conversations", body)).json()["conversation_id"])

    async def say(self, who: str, conversation: str, content: str, **more: Any) -> str:
        """Post a message and wait until it is stored; its id."""
        body = {"chat_id": conversation, "content": content, **more}
        message = str((await self.client(who).call("POST", "/v1/messages", body)).json()["message_id"])
        async with asyncio.timeout(DEADLINE):
            while True:
                with contextlib.suppress(AnswerError):
                    await self.client(who).call("GET", f"/v1/messages/{message}")
                    return message
                await asyncio.sleep(0.01)

    async def page(self, reader: str, conversation: str, *, after: int) -> list[dict[str, Any]]:
        """The rows after this seq, as many as a page has."""
        path = f"/v1/conversations/{conversation}/messages?kinds=all&limit=200&after_seq={after}"
        found: list[dict[str, Any]] = (await self.client(reader).call("GET", path)).json()
        return found

    async def rows(self, reader: str, conversation: str) -> list[dict[str, Any]]:
        """All of a conversation, changes too. Fails where its seqs are not dense from 1."""
        found: list[dict[str, Any]] = []
        while page := await self.page(reader, conversation, after=len(found)):
            found += page
        assert [row["seq"] for row in found] == list(range(1, len(found) + 1)), "dense from 1"
        return found

    async def contents(self, reader: str, conversation: str) -> list[str]:
        """What its messages say, in order."""
        return [row["content"] for row in await self.rows(reader, conversation) if row["type"] == "message"]

    async def says(self, reader: str, conversation: str, wanted: list[str]) -> None:
        """Wait until its messages say this, in this order: what was accepted is stored a moment later."""
        async with asyncio.timeout(DEADLINE):
            while len(await self.contents(reader, conversation)) < len(wanted):
                await asyncio.sleep(0.02)
        assert await self.contents(reader, conversation) == wanted

    async def status(self, asker: str, person: str) -> str:
        """Whether somebody is here: online, away or offline."""
        return str((await self.client(asker).call("GET", f"/v1/presence/{person}")).json()["status"])

    async def flood(self, sender: str, conversation: str, count: int) -> None:
        """Post so many messages as fast as it goes, in no particular order, and wait until all are stored."""
        before = await self._last(sender, conversation)
        token, numbers = await self.client(sender).token(), iter(range(count))
        await asyncio.gather(*(self._pour(token, conversation, numbers) for _ in range(_CONNECTIONS)))
        async with asyncio.timeout(DEADLINE):
            while await self._last(sender, conversation) < before + count:
                await asyncio.sleep(0.05)

    async def _last(self, reader: str, conversation: str) -> int:
        path = f"/v1/conversations/{conversation}/messages?kinds=all&limit=1"
        return max((row["seq"] for row in (await self.client(reader).call("GET", path)).json()), default=0)

    async def _pour(self, token: str, conversation: str, numbers: Any) -> None:
        """One connection's share. By hand: an HTTP client would take longer than the server."""
        url = httpx.URL(self.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        try:
            for number in numbers:
                # Some are long, so that rows differ in height.
                content = f"message {number}" + " of many words" * (number % 7 * (number % 5 == 0))
                body = json.dumps({"chat_id": conversation, "content": content}).encode()
                head = (
                    f"POST /v1/messages HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                assert answer.startswith(b"http/1.1 202"), answer
                await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        finally:
            writer.close()
            await writer.wait_closed()
