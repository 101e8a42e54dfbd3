"""Chat4All as a black box: `chat4all dev` in a process of its own, with limits that let one client load it."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from bench import process
from bench.measurement import FaultError
from chat4all_devtools.ports import free_port

ENVIRONMENT: Final = {
    "CHAT4ALL_API__POSTS_PER_SECOND": "1000000",
    "CHAT4ALL_API__POST_BURST": "1000000",
    "CHAT4ALL_ACCOUNTS__LOGINS_PER_MINUTE": "1000000",
    "CHAT4ALL_ACCOUNTS__LOGIN_BURST": "1000000",
    "CHAT4ALL_ACCOUNTS__TOKEN_SECONDS": "14400",
}
_DEMO_PASSWORD: Final = "demo"  # noqa: S105 - public: it is in the README
_PASSWORD: Final = "bench-bench"  # noqa: S105 - of users that live as long as a run
_READY: Final = 30.0  # seconds
_LOOK: Final = 0.05  # seconds between looks at what is stored


class System:
    """What a measurement sets up and looks at, over REST."""

    def __init__(self, under_test: process.Process, client: httpx.AsyncClient) -> None:
        self.process = under_test
        self.port = under_test.port
        self._client = client

    async def ready(self) -> None:
        """Wait until all its parts are there."""
        deadline = time.monotonic() + _READY
        while (await self._client.get("/readyz")).status_code != 200:
            if time.monotonic() > deadline:
                raise FaultError(f"the server is not ready\n{self.process.output()}")
            await asyncio.sleep(_LOOK)

    async def token(self, username: str, password: str = _DEMO_PASSWORD) -> str:
        """Log in."""
        form = {"username": username, "password": password}
        answer = _checked(await self._client.post("/token", data=form), 200)
        return str(answer["access_token"])

    async def posted_to(self) -> None:
        """Wait until its connector has told the provider where to post."""
        deadline = time.monotonic() + _READY
        headers = _bearer(await self.token("ana"))
        while True:
            found = _checked(await self._client.get("/v1/connectors", headers=headers), 200)
            if any(one["registered"] for one in found):
                return
            if time.monotonic() > deadline:
                raise FaultError(f"the connector is not registered: {found}")
            await asyncio.sleep(_LOOK)

    async def people(self, count: int) -> dict[str, str]:
        """Make users whose names are equally long; their tokens by name."""
        tokens = {}
        for number in range(count):
            username = f"bench{number:03d}"
            new = {"username": username, "password": _PASSWORD}
            _checked(await self._client.post("/v1/users", json=new), 201)
            tokens[username] = await self.token(username, _PASSWORD)
        return tokens

    async def conversations(self, token: str, members: Sequence[str], count: int = 1) -> list[str]:
        """Begin group conversations; their ids. There is nothing in them: the first message has seq 1."""
        made = []
        for _ in range(count):
            new = {"type": "group", "members": list(members)}
            answer = await self._client.post("/v1/conversations", json=new, headers=_bearer(token))
            made.append(str(_checked(answer, 201)["conversation_id"]))
        return made

    async def stored(self, token: str, total: int, seconds: float) -> float:
        """Wait until the user's conversations have so many rows. Returns when, on time.perf_counter. Raises FaultError.

        They have at most 50 conversations.
        """
        deadline = time.monotonic() + seconds
        while (have := await self.rows(token)) != total:
            if have > total or time.monotonic() > deadline:
                raise FaultError(f"{have} of {total} rows are stored after {seconds} s")
            await asyncio.sleep(_LOOK)
        return time.perf_counter()

    async def rows(self, token: str) -> int:
        """How many rows the user's conversations have; they have at most 50."""
        answer = _checked(await self._client.get("/v1/conversations", headers=_bearer(token)), 200)
        return sum(one["last_seq"] for one in answer)


@contextlib.asynccontextmanager
async def running(folder: Path, core: int | None, settings: Mapping[str, str] | None = None) -> AsyncIterator[System]:
    """A server with fresh data in a folder of that one."""
    port = free_port()
    command = [sys.executable, "-m", "chat4all", "dev", "--no-simulator", "--port", str(port)]
    command += ["--data", str(folder / "data")]
    base = f"http://127.0.0.1:{port}"
    environment = {**ENVIRONMENT, **(settings or {})}
    async with (
        process.running(command, port=port, log=folder / "chat4all.log", core=core, environment=environment) as child,
        httpx.AsyncClient(base_url=base, timeout=30) as client,
    ):
        system = System(child, client)
        await system.ready()
        yield system


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _checked(answer: httpx.Response, status: int) -> Any:
    if answer.status_code != status:
        raise FaultError(f"{answer.request.url.path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json()
