"""Conversations: begun, listed by activity, shown to their members only (design sections 4 and 7)."""

import pytest
from tests.integration.people import System, expected, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/conversations"


async def test_a_conversation_is_answered_whole(system: System) -> None:
    ana = await system.login("ana")
    body = {"type": "private", "members": ["bruno"], "metadata": {"subject": "Olá, مرحبا"}}
    made = expected(await ana.call("POST", PATH, json=body), 201).json()
    assert made["type"] == "private"
    assert sorted(made["members"]) == ["ana", "bruno"]
    assert made["metadata"] == {"subject": "Olá, مرحبا"}
    assert made["created_at"].endswith("Z")
    for member in (ana, await system.login("bruno")):
        assert await member.get(f"{PATH}/{made['conversation_id']}") == made


@pytest.mark.parametrize("members", [["bruno"], ["ana", "bruno"], ["bruno", "bruno"]], ids=str)
async def test_who_begins_a_conversation_is_a_member_named_or_not(system: System, members: list[str]) -> None:
    ana = await system.login("ana")
    made = expected(await ana.call("POST", PATH, json={"members": members}), 201).json()
    assert made["type"] == "private"
    assert sorted(made["members"]) == ["ana", "bruno"]


async def test_a_private_conversation_has_exactly_two_members(system: System) -> None:
    ana = await system.login("ana")
    for members in (["ana"], ["bruno", "admin"]):
        body = {"type": "private", "members": members}
        refused(await ana.call("POST", PATH, json=body), 422, "invalid", "members")


async def test_a_group_has_any_number_of_members(system: System) -> None:
    ana = await system.login("ana")
    people = [(await system.register()).username for _ in range(3)]
    made = expected(await ana.call("POST", PATH, json={"type": "group", "members": people}), 201).json()
    assert made["type"] == "group"
    assert sorted(made["members"]) == sorted(["ana", *people])


async def test_an_outsider_whatever_his_role_sees_no_conversation(system: System) -> None:
    _, _, chat = await system.pair()
    agent = await system.register()
    for outsider in (agent, await system.login("admin")):
        refused(await outsider.call("GET", f"{PATH}/{chat}"), 404, "not-found")
        refused(await outsider.call("GET", f"{PATH}/{chat}/messages"), 404, "not-found")
        body = {"chat_id": chat, "content": "let me in"}
        refused(await outsider.call("POST", "/v1/messages", json=body), 404, "not-found")
        assert chat not in [one["conversation_id"] for one in await outsider.get(PATH)]


async def test_the_list_shows_the_latest_activity_first(system: System) -> None:
    person, bruno = await system.register(), await system.login("bruno")
    first, second, third = [await person.conversation("bruno") for _ in range(3)]
    await person.said(first, "one")
    await bruno.said(third, "two")
    await bruno.said(second, "three")
    listed = await person.get(PATH)
    assert [one["conversation_id"] for one in listed] == [second, third, first]
    assert [one["last_seq"] for one in listed] == [1, 1, 1]
    times = [one["last_at"] for one in listed]
    assert times == sorted(times, reverse=True)


async def test_a_new_conversation_is_listed_before_anything_is_said(system: System) -> None:
    person = await system.register()
    chat = await person.conversation("bruno")
    (listed,) = await person.get(PATH)
    assert listed["conversation_id"] == chat
    assert (listed["last_seq"], listed["preview"], listed["unread"], listed["read_seq"]) == (0, None, 0, 0)
    assert listed["last_at"] == listed["created_at"]


async def test_the_preview_follows_the_last_message_its_edits_and_its_deletion(system: System) -> None:
    person = await system.register()
    chat = await person.conversation("bruno")
    await person.said(chat, "first")
    last = await person.said(chat, "last")
    preview = (await person.get(PATH))[0]["preview"]
    assert preview == {
        "seq": 2,
        "message_id": last["message_id"],
        "sender_id": person.username,
        "content": "last",
        "deleted": False,
    }
    await person.edit(last["message_id"], "changed")
    assert (await person.get(PATH))[0]["preview"] == {**preview, "content": "changed"}
    await person.delete(last["message_id"])
    assert (await person.get(PATH))[0]["preview"] == {**preview, "content": "", "deleted": True}


async def test_an_edit_of_an_earlier_message_leaves_the_preview(system: System) -> None:
    person = await system.register()
    chat = await person.conversation("bruno")
    first = await person.said(chat, "first")
    await person.said(chat, "last")
    await person.edit(first["message_id"], "changed")
    assert (await person.get(PATH))[0]["preview"]["content"] == "last"


async def test_unread_counts_the_messages_of_others_above_what_was_read(system: System) -> None:
    person, other = await system.register(), await system.register()
    chat = await person.conversation(other.username)
    mine = await person.said(chat, "mine")
    theirs = [await other.said(chat, f"theirs {number}") for number in range(3)]
    await other.edit(theirs[2]["message_id"], "an edit is no message")
    assert (await person.get(PATH))[0]["unread"] == 3
    assert (await other.get(PATH))[0]["unread"] == 1
    body = {"status": "read", "conversation_id": chat}
    expected(await person.call("PATCH", f"/v1/messages/{theirs[1]['message_id']}/status", json=body), 200)
    await other.becomes(theirs[1]["message_id"], status="read")
    (listed,) = await person.get(PATH)
    assert (listed["unread"], listed["read_seq"]) == (1, theirs[1]["seq"])
    assert (await other.get(PATH))[0]["read_seq"] == 0
    assert mine["seq"] == 1


async def test_unread_is_counted_to_99_and_more(system: System) -> None:
    person, other = await system.register(), await system.register()
    chat = await person.conversation(other.username)
    for number in range(105):
        await other.post(chat, f"message {number}")
    await person.heard(chat, 105)
    assert (await person.get(PATH))[0]["unread"] == 100


async def test_the_list_is_read_page_by_page(system: System) -> None:
    person = await system.register()
    begun = [await person.conversation("bruno") for _ in range(7)]
    for chat in begun:
        await person.said(chat, "something")
    pages = await person.pages(PATH, limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [one["conversation_id"] for page in pages for one in page] == begun[::-1]


async def test_the_same_request_with_its_key_answers_the_same_conversation(system: System) -> None:
    person = await system.register()
    body = {"members": ["bruno"], "metadata": {"n": "1"}}
    answers = [
        expected(await person.call("POST", PATH, key="begin", json=body), 201).json(),
        expected(await person.call("POST", PATH, key="begin", json=dict(reversed(body.items()))), 201).json(),
    ]
    assert answers[0] == answers[1]
    assert len(await person.get(PATH)) == 1
    other = {"members": ["ana"]}
    refused(await person.call("POST", PATH, key="begin", json=other), 422, "key-reused")
    assert len(await person.get(PATH)) == 1


async def test_without_a_key_each_request_begins_another_conversation(system: System) -> None:
    person = await system.register()
    assert len({await person.conversation("bruno") for _ in range(3)}) == 3
    assert len(await person.get(PATH)) == 3


async def test_the_keys_of_two_people_do_not_meet(system: System) -> None:
    one, two = await system.register(), await system.register()
    body = {"members": ["bruno"]}
    made = [expected(await person.call("POST", PATH, key="same", json=body), 201).json() for person in (one, two)]
    assert made[0]["conversation_id"] != made[1]["conversation_id"]
    refused(await one.call("GET", f"{PATH}/{made[1]['conversation_id']}"), 404, "not-found")


async def test_who_was_removed_learns_nothing_by_repeating_his_request(system: System) -> None:
    person, other = await system.register(), await system.register()
    body = {"type": "group", "members": ["ana", other.username]}
    chat = expected(await person.call("POST", PATH, key="mine", json=body), 201).json()["conversation_id"]
    expected(await person.call("DELETE", f"{PATH}/{chat}/members/{person.username}"), 200)
    await other.post(chat, "bruno is gone")
    expected(await other.call("DELETE", f"{PATH}/{chat}/members/{other.username}"), 200)
    again = await person.call("POST", PATH, key="mine", json=body)
    assert again.status_code == 404 or "members" not in again.json(), again.text
