"""What the document says of bodies is what the API takes: each is accepted if, and only if, its schema accepts it."""

import json
from typing import Any

import jsonschema_rs
import pytest
from tests.integration.people import System

pytestmark = pytest.mark.asyncio(loop_scope="module")


def conversation(**more: Any) -> tuple[str, Any]:
    """A body for POST /v1/conversations, with these changes."""
    return "POST /v1/conversations", {"members": ["bruno"], **more}


def message(**more: Any) -> tuple[str, Any]:
    """A body for POST /v1/messages, with these changes."""
    return "POST /v1/messages", {"chat_id": "<chat>", "content": "x", **more}


def user(**more: Any) -> tuple[str, Any]:
    """A body for POST /v1/users, with these changes; `ana` is taken, so nobody is made."""
    return "POST /v1/users", {"username": "ana", "password": "12345678", **more}


def status(**more: Any) -> tuple[str, Any]:
    """A body for PATCH the status of a message, with these changes."""
    return "PATCH /v1/messages/{message_id}/status", {"status": "read", "conversation_id": "<chat>", **more}


BLANK = [chr(code) for code in range(0x1_0000) if chr(code).isspace()] + list("\ufeff\u180e\u200b\u2060\x00\x01\x7f")
BODIES = {
    **{f"a message of U+{ord(blank):04X}": message(content=blank) for blank in BLANK},
    "a message": message(),
    "a message to an id that ends a line": message(chat_id="x\n"),
    "a message to an id with a space": message(chat_id="a b"),
    "a message of 10,000 emoji": message(content="😀" * 10_000),
    "a message of 10,001 emoji": message(content="😀" * 10_001),
    "a message of lines": message(content="\n\nx\n"),
    "a message with NUL": message(content="x\x00"),
    "a message with a fraction of one": message(content=1.0),
    "a message to all and all": message(channels=["all", "all"]),
    "a message to 17 channels": message(channels=["app"] * 17),
    "a message with an unknown field": message(mood="good"),
    "a conversation": conversation(),
    "metadata": conversation(metadata={"a": "b"}),
    "metadata named nothing": conversation(metadata={"": "b"}),
    "metadata named with NUL": conversation(metadata={"\x00": "b"}),
    "metadata named with a line": conversation(metadata={"a\n": "b"}),
    "metadata named with 65 characters": conversation(metadata={"a" * 65: "b"}),
    "metadata with NUL": conversation(metadata={"a": "\x00"}),
    "metadata with 1,025 characters": conversation(metadata={"a": "b" * 1_025}),
    "metadata with a number": conversation(metadata={"a": 1}),
    "metadata named with NUL, with a number": conversation(metadata={"\x00": 1}),
    "33 metadata": conversation(metadata={str(number): "" for number in range(33)}),
    "null metadata": conversation(metadata=None),
    "a member that ends a line": conversation(members=["bruno\n"]),
    "a member in capitals": conversation(members=["Bruno"]),
    "the same member 501 times": conversation(members=["bruno"] * 501),
    "a user": user(),
    "a user that ends a line": user(username="ana\n"),
    "a user with a password of 7 emoji": user(password="😀" * 7),
    "a user with a password of 8 emoji": user(password="😀" * 8),
    "a user with a password that ends a line": user(password="12345678\n"),
    "a user with an email": user(email="a@b"),
    "a user with an email that ends a line": user(email="a@b\n"),
    "a user with an email of two @": user(email="a@b@c"),
    "a user with an email in another script": user(email="ána@b"),
    "a user with no email": user(email=None),
    "a user with no role": user(role=None),
    "a status": status(),
    "a status in a conversation with NUL": status(conversation_id="\x00"),
    "a status in a conversation of 65 characters": status(conversation_id="x" * 65),
    "sent as status": status(status="sent"),
}


@pytest.mark.parametrize(("label", "body"), BODIES.values(), ids=BODIES.keys())
async def test_a_body_is_accepted_where_the_document_says_that_it_is_valid(
    system: System, label: str, body: Any
) -> None:
    """By JSON Schema, whose patterns are ECMAScript's: `\\s` is not Python's there, and there is no `\\Z`."""
    ana, bruno, chat = await system.pair()
    there = await ana.said(chat, "something")
    body = json.loads(json.dumps(body).replace("<chat>", chat))
    method, _, path = label.partition(" ")
    document = await ana.get("/openapi.json")
    schema = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    valid = jsonschema_rs.validator_for({**schema, "components": document["components"]}).is_valid(body)
    asks = bruno if path.endswith("/status") else ana
    answer = await asks.call(method, path.replace("{message_id}", there["message_id"]), json=body)
    assert (answer.status_code != 422) == valid, f"valid: {valid}; {answer.status_code}: {answer.text[:300]}"


async def test_the_patterns_of_the_document_are_ecmascript(system: System) -> None:
    """JSON Schema 2020-12, core, 6.4. There `\\Z` is an error."""
    document = json.dumps(await system.stranger().get("/openapi.json"))
    assert [found for found in (r"\\Z", r"\\z", r"\\A", "(?P", "(?i)") if found in document] == []
