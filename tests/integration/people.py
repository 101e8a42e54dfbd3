"""A running system as its clients see it: its address, and people with tokens who talk to it over HTTP."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import httpx
from fastapi import FastAPI

from chat4all.connectors.follower import Follower
from chat4all.connectors.supervisor import Supervisor
from chat4all.directory.port import Role
from chat4all.directory.sql.engine import Sql
from chat4all.log.embedded import EmbeddedLog
from chat4all.processes.process import Process
from chat4all.processes.roles.api import ApiRole
from chat4all.processes.roles.connector import ConnectorRole
from chat4all.processes.roles.gateway import GatewayRole
from chat4all.realtime.embedded import EmbeddedRealtime

DEADLINE: Final = 60.0  # seconds until something that must happen has happened
PASSWORD: Final = "correct horse battery"  # of everyone whom a test registers

_numbers = itertools.count(1)


def unused(prefix: str = "person") -> str:
    """A user name that nobody has."""
    return f"{prefix}{next(_numbers)}"


class Person:
    """Somebody at a client: a user name, a token and an HTTP connection. Without a token: a stranger."""

    def __init__(self, http: httpx.AsyncClient, username: str = "", token: str | None = None) -> None:
        self.username = username
        self.token = token
        self._http = http

    async def call(
        self, method: str, path: str, *, key: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Any request, whatever is answered. `key`: its Idempotency-Key; `more`: as httpx takes it (json=, params=)."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if key is not None:
            sent["Idempotency-Key"] = key
        return await self._http.request(method, path, headers=sent, **more)

    async def get(self, path: str, **params: Any) -> Any:
        """The JSON that a GET answers with 200."""
        return expected(await self.call("GET", path, params=params), 200).json()

    async def pages(self, path: str, **params: Any) -> list[list[Any]]:
        """A list, page by page, following the Link header to its end."""
        answer = expected(await self.call("GET", path, params=params), 200)
        pages = [answer.json()]
        while "next" in answer.links:
            answer = expected(await self.call("GET", answer.links["next"]["url"]), 200)
            pages.append(answer.json())
        return pages

    async def conversation(self, *members: str, kind: str | None = None, **more: Any) -> str:
        """Begin one and return its id; a group where there are not exactly two people, unless `kind` says what."""
        body = {"type": kind or ("private" if len(members) == 1 else "group"), "members": list(members), **more}
        answer = expected(await self.call("POST", "/v1/conversations", json=body), 201)
        return str(answer.json()["conversation_id"])

    async def post(self, conversation: str, content: str, *, key: str | None = None, **more: Any) -> str:
        """Post a message that is accepted and return its id; it may not be stored yet."""
        body = {"chat_id": conversation, "content": content, **more}
        return str(expected(await self.call("POST", "/v1/messages", json=body, key=key), 202).json()["message_id"])

    async def settled(self, message: str) -> dict[str, Any]:
        """The message once it is stored. Fails after the deadline."""
        end = time.monotonic() + DEADLINE
        while (answer := await self.call("GET", f"/v1/messages/{message}")).status_code == 404:
            assert time.monotonic() < end, f"{message} was accepted and is still not stored"
            await asyncio.sleep(0.005)
        found: dict[str, Any] = expected(answer, 200).json()
        return found

    async def said(self, conversation: str, content: str, **more: Any) -> dict[str, Any]:
        """Post a message and wait until it is stored."""
        return await self.settled(await self.post(conversation, content, **more))

    async def edit(self, message: str, content: str, *, key: str | None = None) -> str:
        """Edit a message, wait until that is stored, and return the change's id."""
        before = await self._changes(message)
        answer = await self.call("PATCH", f"/v1/messages/{message}", json={"content": content}, key=key)
        change = str(expected(answer, 202).json()["change_id"])
        await self._changed(message, before)
        return change

    async def delete(self, message: str, *, key: str | None = None) -> str:
        """Delete a message, wait until that is stored, and return the change's id."""
        before = await self._changes(message)
        answer = await self.call("DELETE", f"/v1/messages/{message}", key=key)
        change = str(expected(answer, 202).json()["change_id"])
        await self._changed(message, before)
        return change

    async def _changes(self, message: str) -> list[int]:
        """The seqs at which it was changed, as far as they stand in the last page of its conversation."""
        chat = (await self.settled(message))["conversation_id"]
        rows = await self.history(chat, kinds="all", limit=200)
        return [row["seq"] for row in rows if row["type"] in {"edit", "delete"} and row["message_id"] == message]

    async def _changed(self, message: str, before: Sequence[int]) -> None:
        """Wait until there is one more: the message itself shows a change a moment before the history does."""
        end = time.monotonic() + DEADLINE
        while max(await self._changes(message), default=0) <= max(before, default=0):
            assert time.monotonic() < end, f"the change of {message} was accepted and is still not stored"
            await asyncio.sleep(0.005)

    async def becomes(self, message: str, **fields: Any) -> dict[str, Any]:
        """The message once it has these fields, as GET /v1/messages/{id} shows it. Fails after the deadline."""
        end = time.monotonic() + DEADLINE
        while True:
            found: dict[str, Any] = await self.settled(message)
            if all(found[name] == value for name, value in fields.items()):
                return found
            assert time.monotonic() < end, f"{message} still is {found}"
            await asyncio.sleep(0.005)

    async def history(self, conversation: str, **params: Any) -> list[dict[str, Any]]:
        """A page of what was said."""
        page: list[dict[str, Any]] = await self.get(f"/v1/conversations/{conversation}/messages", **params)
        return page

    async def heard(self, conversation: str, count: int) -> list[dict[str, Any]]:
        """The last page of the history once it has so many messages or more. Fails after the deadline."""
        end = time.monotonic() + DEADLINE
        while len(page := await self.history(conversation, limit=200)) < count:
            assert time.monotonic() < end, f"{len(page)} of {count} messages are in the history"
            await asyncio.sleep(0.005)
        return page


class System:
    """A running system. `process` is the thing itself, `url` and `ws_url` are where it listens.

    `stop` ends it before the test does, to start it again on the same data.
    """

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.settings = process.settings
        self.engines = process.engines
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}/ws"
        self._http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=DEADLINE)
        self._people: dict[str, Person] = {}
        self.stop: Callable[[], Awaitable[None]] = self.close

    @property
    def sql(self) -> Sql:
        """Its directory's database, to ask or break it past the port."""
        found = self.engines.managed["directory"].engine
        assert isinstance(found, Sql)
        return found

    @property
    def log(self) -> EmbeddedLog:
        """Its log as the embedded twin that it is, whose file a test may break."""
        assert isinstance(self.engines.log, EmbeddedLog)
        return self.engines.log

    @property
    def realtime(self) -> EmbeddedRealtime:
        """Who is there, and what is pushed to them."""
        assert isinstance(self.engines.realtime, EmbeddedRealtime)
        return self.engines.realtime

    @property
    def gateway(self) -> GatewayRole:
        """The role that holds its WebSockets and its hub."""
        found = self.process.roles["gateway"]
        assert isinstance(found, GatewayRole)
        return found

    @property
    def connectors(self) -> Supervisor | Follower:
        """What starts and watches its connectors."""
        found = self.process.roles["connector"]
        assert isinstance(found, ConnectorRole)
        return found.connectors

    @property
    def internal(self) -> FastAPI:
        """The application of its internal API, to be asked without a port."""
        found = self.process.roles["api"]
        assert isinstance(found, ApiRole)
        return found.internal

    async def close(self) -> None:
        """Let go of the HTTP connections."""
        await self._http.aclose()

    def stranger(self) -> Person:
        """Somebody without a token."""
        return Person(self._http)

    def holder(self, token: str) -> Person:
        """Somebody with this token, whatever it is worth."""
        return Person(self._http, token=token)

    async def login(self, username: str, password: str = "demo") -> Person:
        """Log in through POST /token; a user who is known by that name already is not asked again (argon2 is slow)."""
        if username not in self._people:
            form = {"username": username, "password": password}
            answer = expected(await self.stranger().call("POST", "/token", data=form), 200)
            self._people[username] = Person(self._http, username, answer.json()["access_token"])
        return self._people[username]

    async def register(self, username: str | None = None, **more: Any) -> Person:
        """Make a new user, by default of an unused name, who is logged in.

        Their token does not come from POST /token, which would take another 50 ms to check the password.
        """
        body = {"username": username or unused(), "password": PASSWORD, **more}
        made = expected(await self.stranger().call("POST", "/v1/users", json=body), 201).json()
        token = self.process.services.tokens.issue(made["username"], Role(made["role"]))
        self._people[made["username"]] = Person(self._http, made["username"], token)
        return self._people[made["username"]]

    async def pair(self) -> tuple[Person, Person, str]:
        """Ana and Bruno, and a new private conversation of theirs."""
        ana, bruno = await self.login("ana"), await self.login("bruno")
        return ana, bruno, await ana.conversation("bruno")


def expected(answer: httpx.Response, status: int) -> httpx.Response:
    """The answer, if it has this status."""
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url.path}: {answer.text}"
    return answer


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal with this status and code, which names this field."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"].rpartition(":")[2] == code, problem
    assert problem["status"] == status
    assert all(problem[part] and isinstance(problem[part], str) for part in ("title", "detail", "advice")), problem
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
        assert all(error["detail"] for error in problem["errors"]), problem
    return problem


def names(users: Sequence[Mapping[str, Any]]) -> list[str]:
    """The user names in a list of users."""
    return [str(user["username"]) for user in users]


async def chatter(person: Person, chat: str, count: int) -> list[str]:
    """Post so many messages, one after the other; their ids once the last one is stored."""
    posted = [await person.post(chat, f"no. {number}") for number in range(1, count + 1)]
    await person.settled(posted[-1])
    return posted


async def busy(writers: Sequence[Person], chat: str, count: int, dice: random.Random) -> None:
    """Fill the seqs of a conversation up to `count`: messages, and edits and deletes of earlier ones."""
    plan = iter(range(count))

    async def write(person: Person) -> None:
        mine: list[str] = []
        for number in plan:
            turn = dice.random()
            if not mine or turn < 0.8:
                mine.append(await person.post(chat, f"{number}"))
                continue
            target = mine.pop(dice.randrange(len(mine)))
            await person.settled(target)
            if turn < 0.9:
                body = {"content": f"{number}, changed"}
                expected(await person.call("PATCH", f"/v1/messages/{target}", json=body), 202)
                mine.append(target)
            else:
                expected(await person.call("DELETE", f"/v1/messages/{target}"), 202)

    await asyncio.gather(*(write(person) for person in writers))
