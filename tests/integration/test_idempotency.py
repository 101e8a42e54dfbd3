"""The same request is the same message: keys, repeats, other bodies (invariant 5)."""

import asyncio
import json

import pytest
from tests.integration.people import System, expected, refused

from chat4all.model.errors import EngineUnavailableError

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"Content-Type": "application/json"}


async def test_a_repeated_post_answers_the_same_message_which_is_there_once(system: System) -> None:
    ana, _, chat = await system.pair()
    body = {"chat_id": chat, "content": "once"}
    first = expected(await ana.call("POST", "/v1/messages", json=body, key="k"), 202)
    assert "Idempotent-Replay" not in first.headers
    for _ in range(3):
        again = expected(await ana.call("POST", "/v1/messages", json=body, key="k"), 202)
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replay"] == "true"
    assert (await ana.said(chat, "two"))["seq"] == 2
    assert [one["content"] for one in await ana.history(chat)] == ["once", "two"]


async def test_the_repeats_that_race_are_one_message(system: System) -> None:
    ana, _, chat = await system.pair()
    for number in range(5):
        ids = await asyncio.gather(*(ana.post(chat, "once", key=f"{chat}-{number}") for _ in range(8)))
        assert len(set(ids)) == 1
        await ana.settled(ids[0])
    assert (await ana.said(chat, "after"))["seq"] == 6


async def test_order_of_members_and_white_space_of_the_json_do_not_matter(system: System) -> None:
    ana, _, chat = await system.pair()
    body = {"chat_id": chat, "content": "Olá 👋", "channels": ["all"]}
    forms = [
        json.dumps(body),
        json.dumps(dict(reversed(body.items()))),
        json.dumps(body, indent=4),
        json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    ]
    answers = [
        expected(await ana.call("POST", "/v1/messages", content=form, headers=JSON, key=f"form-{chat}"), 202)
        for form in forms
    ]
    assert len({answer.json()["message_id"] for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replay") for answer in answers] == [None, "true", "true", "true"]


@pytest.mark.parametrize(
    "other",
    [{"content": "other"}, {"channels": ["app"]}, {"chat_id": "another conversation"}],
    ids=["content", "channels", "conversation"],
)
async def test_a_key_names_one_request(system: System, other: dict[str, object]) -> None:
    ana, _, chat = await system.pair()
    if "chat_id" in other:
        other = {"chat_id": await ana.conversation("bruno")}
    body = {"chat_id": chat, "content": "one"}
    expected(await ana.call("POST", "/v1/messages", json=body, key=f"one-{chat}"), 202)
    refused(await ana.call("POST", "/v1/messages", json=body | other, key=f"one-{chat}"), 422, "key-reused")
    assert (await ana.said(chat, "two"))["seq"] == 2


async def test_a_refused_request_does_not_use_up_its_key(system: System) -> None:
    ana, _, chat = await system.pair()
    empty = {"chat_id": chat, "content": ""}
    refused(await ana.call("POST", "/v1/messages", json=empty, key=f"r-{chat}"), 422, "invalid", "content")
    outside = {"chat_id": "elsewhere", "content": "x"}
    refused(await ana.call("POST", "/v1/messages", json=outside, key=f"r-{chat}"), 404, "not-found")
    await ana.post(chat, "now", key=f"r-{chat}")


async def test_keys_of_two_senders_are_two(system: System) -> None:
    ana, bruno, chat = await system.pair()
    ids = [await writer.post(chat, "same", key=f"both-{chat}") for writer in (ana, bruno)]
    assert len(set(ids)) == 2
    assert [one["sender_id"] for one in await ana.heard(chat, 2)] == ["ana", "bruno"]


async def test_without_a_key_the_same_text_is_said_twice(system: System) -> None:
    ana, _, chat = await system.pair()
    assert await ana.post(chat, "same") != await ana.post(chat, "same")
    assert len(await ana.heard(chat, 2)) == 2


async def test_a_repeated_edit_is_one_change_even_after_another_one(system: System) -> None:
    ana, _, chat = await system.pair()
    message = await ana.said(chat, "zero")
    path = f"/v1/messages/{message['message_id']}"
    first = await ana.edit(message["message_id"], "one", key=f"edit-{chat}")
    await ana.edit(message["message_id"], "two")
    again = expected(await ana.call("PATCH", path, json={"content": "one"}, key=f"edit-{chat}"), 202)
    assert again.json()["change_id"] == first
    assert again.json()["message_id"] == message["message_id"]
    assert again.headers["Idempotent-Replay"] == "true"
    refused(await ana.call("PATCH", path, json={"content": "three"}, key=f"edit-{chat}"), 422, "key-reused")
    assert (await ana.said(chat, "next"))["seq"] == 4
    assert (await ana.settled(message["message_id"]))["content"] == "two"


async def test_a_repeated_deletion_is_accepted_again_and_not_a_conflict(system: System) -> None:
    ana, _, chat = await system.pair()
    message = await ana.said(chat, "gone")
    first = await ana.delete(message["message_id"], key=f"delete-{chat}")
    path = f"/v1/messages/{message['message_id']}"
    again = expected(await ana.call("DELETE", path, key=f"delete-{chat}"), 202)
    assert again.json()["change_id"] == first
    assert again.headers["Idempotent-Replay"] == "true"
    assert (await ana.said(chat, "next"))["seq"] == 3


async def test_a_repeated_change_is_accepted_again_even_where_its_key_was_not_remembered(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the append and the key a process may die, or the store be away."""

    async def away(*_: object) -> None:
        raise EngineUnavailableError("store", "it is away")

    ana, _, chat = await system.pair()
    message = (await ana.said(chat, "gone"))["message_id"]
    with monkeypatch.context() as patch:
        patch.setattr(system.engines.store, "put_answered", away)
        edited = await ana.edit(message, "nearly gone", key=f"late-edit-{chat}")
        deleted = await ana.delete(message, key=f"late-delete-{chat}")
    assert (await ana.said(chat, "next"))["seq"] == 4
    path, new = f"/v1/messages/{message}", {"content": "nearly gone"}
    again = [
        expected(await ana.call("PATCH", path, json=new, key=f"late-edit-{chat}"), 202),
        expected(await ana.call("DELETE", path, key=f"late-delete-{chat}"), 202),
    ]
    assert [one.json()["change_id"] for one in again] == [edited, deleted]
    refused(await ana.call("DELETE", path, key=f"another-{chat}"), 409, "deleted")
    assert (await ana.said(chat, "after"))["seq"] == 5


async def test_a_key_for_a_post_is_not_a_key_for_something_else(system: System) -> None:
    ana, _, chat = await system.pair()
    message = await ana.settled(await ana.post(chat, "one", key=f"post-{chat}"))
    path = f"/v1/messages/{message['message_id']}"
    refused(await ana.call("PATCH", path, json={"content": "two"}, key=f"post-{chat}"), 422, "key-reused")
    refused(await ana.call("DELETE", path, key=f"post-{chat}"), 422, "key-reused")
    body = {"members": ["bruno"]}
    refused(await ana.call("POST", "/v1/conversations", json=body, key=f"post-{chat}"), 422, "key-reused")


async def test_one_key_for_two_messages_edits_one(system: System) -> None:
    ana, _, chat = await system.pair()
    one, two = await ana.said(chat, "one"), await ana.said(chat, "two")
    await ana.edit(one["message_id"], "same", key=f"two-{chat}")
    path = f"/v1/messages/{two['message_id']}"
    refused(await ana.call("PATCH", path, json={"content": "same"}, key=f"two-{chat}"), 422, "key-reused")


@pytest.mark.parametrize("key", ["k" * 255, "!", "~{}[]\"'\\/;:,"], ids=["255 characters", "one", "punctuation"])
async def test_a_key_is_up_to_255_visible_characters(system: System, key: str) -> None:
    person = await system.register()
    chat = await person.conversation("bruno")
    assert await person.post(chat, "x", key=key) == await person.post(chat, "x", key=key)
