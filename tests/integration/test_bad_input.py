"""Bad input gets a problem+json that says what is wrong and names the field, and nothing is stored ("Bad input gets").

Each line of the table (refusals.py) is one request. After each, nothing that the system holds has changed.
"""

import dataclasses
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.integration.conftest import Start
from tests.integration.people import Person, System, expected, names, refused
from tests.integration.refusals import CASES, CONVERSATIONS, FORM, JSON, MESSAGES, USERS, Case

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclasses.dataclass
class Scene:
    """Who and what the requests are about: ana and bruno with conversations of theirs, zeca outside of them."""

    people: Mapping[str, Person]
    names: dict[str, str]
    seqs: dict[str, int]
    counts: dict[str, int]

    def fill(self, text: str) -> str:
        """The text with `<chat>` and the like replaced by ids."""
        for name, id_ in self.names.items():
            text = text.replace(f"<{name}>", id_)
        return text

    async def unchanged(self) -> None:
        """Nothing was stored: the next message takes the next seq, in each conversation, and all else is as it was."""
        ana, admin = self.people["ana"], self.people["admin"]
        said = {chat: (await ana.said(self.names[chat], "what comes next"))["seq"] for chat in self.seqs}
        counted = {name: len(await self.people[name].get(CONVERSATIONS)) for name in self.counts}
        before, self.seqs, counts, self.counts = self.seqs, said, self.counts, counted
        assert said == {chat: seq + 1 for chat, seq in before.items()}
        assert counted == counts
        contents = {name: (await ana.settled(self.names[name]))["content"] for name in ("message", "other", "deleted")}
        assert contents == {"message": "a message of ana's", "other": "a message of bruno's", "deleted": ""}
        assert (await ana.settled(self.names["message"]))["status"] == "sent"
        assert sorted((await ana.get(f"{CONVERSATIONS}/{self.names['group']}"))["members"]) == ["ana", "bruno"]
        assert names(await admin.get(USERS)) == ["admin", "ana", "bruno", "zeca"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(system: System) -> Scene:
    """The scene of this module."""
    ana, bruno, chat = await system.pair()
    people = {
        "ana": ana,
        "bruno": bruno,
        "admin": await system.login("admin"),
        "zeca": await system.register("zeca"),
        "nobody": system.stranger(),
    }
    group = await ana.conversation("bruno", kind="group")
    message = await ana.said(chat, "a message of ana's")
    other = await bruno.said(chat, "a message of bruno's")
    deleted = await ana.said(chat, "soon gone")
    await ana.delete(deleted["message_id"])
    await ana.post(group, "keyed", key="used")
    await ana.heard(group, 1)
    ids = {
        "chat": chat,
        "group": group,
        "message": message["message_id"],
        "other": other["message_id"],
        "deleted": deleted["message_id"],
    }
    return Scene(people, ids, seqs={"chat": 4, "group": 1}, counts={"ana": 2, "bruno": 2, "zeca": 0})


async def ask(scene: Scene, case: Case) -> httpx.Response:
    """Send the request of a case."""
    method, _, path = case.request.partition(" ")
    headers = {name: value.encode() for name, value in case.headers.items()}
    more: dict[str, Any] = {}
    if case.json is not None:
        more = {"content": scene.fill(json.dumps(case.json)), "headers": {**JSON, **headers}}
    elif case.raw is not None:
        raw = case.raw.encode("latin-1") if isinstance(case.raw, str) else case.raw
        for name, id_ in scene.names.items():
            raw = raw.replace(f"<{name}>".encode(), id_.encode())
        more = {"content": raw, "headers": {**JSON, **headers}}
    elif case.form is not None:
        more = {"data": case.form}
    else:
        more = {"headers": headers}
    return await scene.people[case.who].call(method, scene.fill(path), **more)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_bad_input_is_refused_and_nothing_is_stored(scene: Scene, case: Case) -> None:
    answer = await ask(scene, case)
    try:
        refused(answer, case.status, case.code, case.field)
        assert case.status != 401 or answer.headers["WWW-Authenticate"].startswith("Bearer")
    finally:
        await scene.unchanged()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/token"),
        ("PUT", MESSAGES),
        ("GET", MESSAGES),
        ("DELETE", CONVERSATIONS),
        ("PATCH", f"{CONVERSATIONS}/<chat>"),
        ("POST", f"{MESSAGES}/<message>"),
        ("POST", f"{MESSAGES}/<message>/timeline"),
        ("DELETE", f"{USERS}/bruno"),
        ("POST", "/livez"),
        ("POST", "/metrics"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused_with_those_it_takes(
    scene: Scene, method: str, path: str
) -> None:
    answer = await scene.people["ana"].call(method, scene.fill(path))
    refused(answer, 405, "method-not-allowed")
    allowed = [one.strip() for one in answer.headers["Allow"].split(",")]
    assert method not in allowed
    assert set(allowed) & {"GET", "POST", "PATCH", "DELETE"}
    await scene.unchanged()


async def test_every_method_of_a_path_is_in_its_allow_header(scene: Scene) -> None:
    """RFC 9110, 15.5.6: Allow lists the methods that the target supports, all of them."""
    document = await scene.people["nobody"].get("/openapi.json")
    for path, item in document["paths"].items():
        answer = await scene.people["ana"].call("PUT", path.replace("{", "").replace("}", ""))
        refused(answer, 405, "method-not-allowed")
        allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
        assert allowed >= {method.upper() for method in item}, path


@pytest.mark.parametrize(
    ("path", "content_type"),
    [(MESSAGES, "application/json"), (CONVERSATIONS, "application/json"), ("/token", FORM["Content-Type"])],
)
async def test_a_body_in_chunks_that_says_nothing_of_its_size_is_bounded_too(
    scene: Scene, path: str, content_type: str
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"chat_id": "x", "content": "' if "json" in content_type else b"username=ana&password="
        for _ in range(33):
            yield b"x" * (1 << 15)

    headers = {"Content-Type": content_type}
    answer = await scene.people["ana"].call("POST", path, content=chunks(), headers=headers)
    refused(answer, 413, "too-large")
    await scene.unchanged()


async def test_too_many_login_tries_are_refused_right_or_wrong_and_only_for_that_name(start: Start) -> None:
    system = await start(accounts={"logins_per_minute": 1.0, "login_burst": 3})
    stranger = system.stranger()
    for _ in range(3):
        form = {"username": "ana", "password": "wrong"}
        refused(await stranger.call("POST", "/token", data=form), 401, "wrong-password")
    for password in ("wrong", "demo"):
        answer = await stranger.call("POST", "/token", data={"username": "ana", "password": password})
        refused(answer, 429, "too-many")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    await system.login("bruno")


async def test_too_many_posts_edits_and_deletes_are_refused_and_only_for_that_user(start: Start) -> None:
    system = await start(api={"posts_per_second": 0.001, "post_burst": 3})
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "one")
    await ana.edit(message["message_id"], "two")
    await ana.said(chat, "three")
    path = f"{MESSAGES}/{message['message_id']}"
    for answer in (
        await ana.call("POST", MESSAGES, json={"chat_id": chat, "content": "four"}),
        await ana.call("PATCH", path, json={"content": "four"}),
        await ana.call("DELETE", path),
    ):
        refused(answer, 429, "too-many")
        assert 1 <= int(answer.headers["Retry-After"]) <= 1000
    assert (await bruno.said(chat, "four"))["seq"] == 4
    assert [one["content"] for one in await ana.history(chat)] == ["two", "three", "four"]


async def test_reading_is_not_limited_with_posting(start: Start) -> None:
    system = await start(api={"posts_per_second": 0.1, "post_burst": 1})
    ana, _, chat = await system.pair()
    await ana.said(chat, "one")
    for _ in range(20):
        expected(await ana.call("GET", f"{CONVERSATIONS}/{chat}/messages"), 200)
