"""The OpenAPI document of the running system is true: schemathesis, all its checks, no 5xx, every answer as documented.

The system runs in a thread of its own, as schemathesis does not await. What it makes up is the same in every run.
"""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import load_all_checks
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from tests.integration.conftest import running
from tests.integration.people import DEADLINE

EXAMPLES = 40  # of each operation, and besides them the boundaries of everything that the document bounds
SETTINGS = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


OPERATIONS = (
    "POST /token",
    "POST /v1/users",
    "GET /v1/users",
    "PATCH /v1/users/{username}",
    "POST /v1/conversations",
    "GET /v1/conversations",
    "GET /v1/conversations/{conversation_id}",
    "GET /v1/conversations/{conversation_id}/messages",
    "POST /v1/messages",
    "GET /v1/messages/{message_id}",
    "PATCH /v1/messages/{message_id}",
    "GET /v1/messages/{message_id}/timeline",
    "PATCH /v1/messages/{message_id}/status",
    "DELETE /v1/messages/{message_id}",
    "POST /v1/presence/heartbeat",
    "GET /v1/presence/{username}",
    "POST /v1/conversations/{conversation_id}/members",
    "DELETE /v1/conversations/{conversation_id}/members/{username}",
    "POST /v1/messages/{message_id}/retry",
    "POST /v1/users/channels",
    "GET /v1/users/channels",
    "DELETE /v1/users/channels/{link_id}",
    "GET /v1/channels",
    "GET /v1/connectors",
    "GET /v1/dead-letters",
    "GET /v1/dead-letters/{number}",
    "POST /v1/dead-letters/{number}/replay",
)

_keys = itertools.count(1)


class Served(NamedTuple):
    """Where the system listens, and somebody's token with what they have: a conversation, a group, a message."""

    url: str
    username: str
    token: str
    chat: str
    group: str
    message: str


@pytest.fixture(scope="module", params=["admin", "user"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A system in another thread, and a user of it who has something to lose."""
    started: Future[Served] = Future()
    stop = threading.Event()
    data = tmp_path_factory.mktemp("system")

    def serve() -> None:
        try:
            asyncio.run(_serve(str(request.param), data, started, stop))
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield started.result(DEADLINE)
    finally:
        stop.set()
        thread.join(DEADLINE)
    assert not thread.is_alive(), "the system does not stop"


async def _serve(role: str, data: Path, started: Future[Served], stop: threading.Event) -> None:
    async with running(data) as system:
        person = await (system.login("admin") if role == "admin" else system.register())
        group = await person.conversation("bruno", "ana")
        chat = await person.conversation("bruno")
        message = await person.said(chat, "Olá, Bruno!")
        started.set_result(Served(system.url, person.username, person.token or "", chat, group, message["message_id"]))
        await asyncio.to_thread(stop.wait)


@pytest.fixture(scope="module")
def api(served: Served) -> schemathesis.BaseSchema:
    """The document."""
    load_all_checks()
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def about_what_there_is(case: schemathesis.Case[Any], served: Served) -> None:
    """A request that is to be right gets ids and names that are there, and a key of its own.

    Else it would be answered 404, or that the key was used, and rightly so.
    """
    if case.meta is None or case.meta.generation.mode is not schemathesis.GenerationMode.POSITIVE:
        return
    chat = served.group if "/members" in case.path else served.chat
    there = {"conversation_id": chat, "message_id": served.message, "username": "bruno", "link_id": "none", "number": 0}
    case.path_parameters.update({name: there[name] for name in case.path_parameters})
    if case.path.endswith("/users/channels") and "username" in case.query:
        case.query["username"] = served.username
    if case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = f"key-{next(_keys)}"
    if isinstance(case.body, dict):
        known: dict[str, Any] = {"chat_id": chat, "conversation_id": chat, "members": ["bruno"]}
        known |= {"channel_type": "telegram", "username": served.username, "connector": "", "identifier": "7"}
        if case.body.get("reply_to") is not None:
            known["reply_to"] = served.message
        case.body.update({name: known[name] for name in known.keys() & case.body.keys()})


def test_every_operation_of_the_document_is_tested(api: schemathesis.BaseSchema) -> None:
    documented = {f"{method.upper()} {path}" for path in api for method in api[path]}
    assert documented == set(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_documented(api: schemathesis.BaseSchema, served: Served, label: str) -> None:
    method, _, path = label.partition(" ")

    def check(case: schemathesis.Case[Any]) -> None:
        about_what_there_is(case, served)
        case.call_and_validate(headers={"Authorization": f"Bearer {served.token}"})

    # What `schema.parametrize()` makes. That itself needs the document before there is a server, and its
    # `from_fixture` does not work with pytest 9.2.
    config = HypothesisTestConfig(api.config, list(HypothesisTestMode), explicit_settings=SETTINGS)
    create_test(operation=api[path][method], test_func=check, config=config)()
