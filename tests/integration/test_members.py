"""Members of a group: who may bring in and remove whom, and what each sees (design section 4, invariant 9)."""

import asyncio
import time

import httpx
import pytest
from tests.integration.people import DEADLINE, Person, System, expected, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def add(actor: Person, chat: str, *members: str) -> httpx.Response:
    """Ask to bring people in."""
    return await actor.call("POST", f"/v1/conversations/{chat}/members", json={"members": list(members)})


async def remove(actor: Person, chat: str, username: str) -> httpx.Response:
    """Ask to remove someone."""
    return await actor.call("DELETE", f"/v1/conversations/{chat}/members/{username}")


async def noted(reader: Person, chat: str, count: int) -> list[dict[str, object]]:
    """The rows of member changes once the history has so many. Fails after the deadline."""
    end = time.monotonic() + DEADLINE
    while True:
        rows = [row for row in await reader.history(chat, kinds="all", limit=200) if row["type"] == "members"]
        if len(rows) >= count:
            return rows
        assert time.monotonic() < end, f"{len(rows)} of {count} member changes are in the history"
        await asyncio.sleep(0.005)


async def test_any_member_brings_people_in_and_they_see_all_history(system: System) -> None:
    ana, person, late = await system.login("ana"), await system.register(), await system.register()
    chat = await ana.conversation(person.username, kind="group")
    await ana.said(chat, "before you came")
    refused(await late.call("GET", f"/v1/conversations/{chat}/messages"), 404, "not-found")
    answer = expected(await add(person, chat, late.username), 200).json()
    assert sorted(answer["members"]) == sorted(["ana", person.username, late.username])
    assert [one["content"] for one in await late.history(chat)] == ["before you came"]
    assert (await late.said(chat, "thank you"))["sender_id"] == late.username
    assert chat in [one["conversation_id"] for one in await late.get("/v1/conversations")]


async def test_who_was_removed_sees_nothing_more(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    chat = await ana.conversation("bruno", person.username)
    message = await ana.said(chat, "you may see this")
    own = await person.said(chat, "and this is mine")
    answer = expected(await remove(ana, chat, person.username), 200).json()
    assert sorted(answer["members"]) == ["ana", "bruno"]
    for path in (f"/v1/conversations/{chat}", f"/v1/conversations/{chat}/messages"):
        refused(await person.call("GET", path), 404, "not-found")
    for id_ in (message["message_id"], own["message_id"]):
        refused(await person.call("GET", f"/v1/messages/{id_}"), 404, "message-not-found")
        refused(await person.call("GET", f"/v1/messages/{id_}/timeline"), 404, "message-not-found")
    change = {"content": "changed after all"}
    refused(await person.call("PATCH", f"/v1/messages/{own['message_id']}", json=change), 404, "message-not-found")
    refused(await person.call("DELETE", f"/v1/messages/{own['message_id']}"), 404, "message-not-found")
    body = {"chat_id": chat, "content": "still here?"}
    refused(await person.call("POST", "/v1/messages", json=body), 404, "not-found")
    refused(await add(person, chat, person.username), 404, "not-found")
    assert await person.get("/v1/conversations") == []


async def test_who_comes_back_sees_what_was_said_without_him(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    chat = await ana.conversation("bruno", person.username)
    expected(await remove(ana, chat, person.username), 200)
    await ana.said(chat, "while you were away")
    expected(await add(ana, chat, person.username), 200)
    assert [one["content"] for one in await person.history(chat)] == ["while you were away"]


async def test_member_changes_take_a_seq_and_stand_in_the_history_of_all_kinds(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    chat = await ana.conversation("bruno", kind="group")
    await ana.said(chat, "one")
    expected(await add(ana, chat, person.username), 200)
    await noted(ana, chat, 1)
    expected(await remove(ana, chat, person.username), 200)
    added, removed = await noted(ana, chat, 2)
    assert (added["seq"], added["sender_id"], added["added"], added["removed"]) == (2, "ana", [person.username], [])
    assert (removed["seq"], removed["added"], removed["removed"]) == (3, [], [person.username])
    assert (await ana.said(chat, "two"))["seq"] == 4
    assert [one["type"] for one in await ana.history(chat)] == ["message", "message"]


async def test_who_is_in_already_stays_and_nothing_is_noted(system: System) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", kind="group")
    answer = expected(await add(ana, chat, "bruno", "ana"), 200).json()
    assert sorted(answer["members"]) == ["ana", "bruno"]
    assert (await ana.said(chat, "first"))["seq"] == 1


async def test_everyone_may_leave(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    chat = await ana.conversation("bruno", person.username)
    answer = expected(await remove(person, chat, person.username), 200).json()
    assert sorted(answer["members"]) == ["ana", "bruno"]
    refused(await person.call("GET", f"/v1/conversations/{chat}"), 404, "not-found")


async def test_a_plain_member_removes_nobody_else(system: System) -> None:
    ana, one, two = await system.login("ana"), await system.register(), await system.register()
    chat = await ana.conversation(one.username, two.username)
    for other in (two.username, "ana"):
        refused(await remove(one, chat, other), 403, "forbidden")
    assert len((await ana.get(f"/v1/conversations/{chat}"))["members"]) == 3


@pytest.mark.parametrize("who", ["creator", "agent", "admin"])
async def test_its_creator_agents_and_admins_who_are_in_it_remove_members(system: System, who: str) -> None:
    creator, other = await system.register(), await system.register()
    chat = await creator.conversation("ana", "admin", other.username)
    actor = creator if who == "creator" else await system.login({"agent": "ana", "admin": "admin"}[who])
    answer = expected(await remove(actor, chat, other.username), 200).json()
    assert other.username not in answer["members"]


@pytest.mark.parametrize("who", ["ana", "admin"])
async def test_an_outsider_of_any_role_changes_no_members(system: System, who: str) -> None:
    creator, outsider = await system.register(), await system.login(who)
    chat = await creator.conversation("bruno", kind="group")
    refused(await add(outsider, chat, who), 404, "not-found")
    refused(await remove(outsider, chat, "bruno"), 404, "not-found")


async def test_a_private_conversation_keeps_its_members(system: System) -> None:
    ana, _, chat = await system.pair()
    refused(await add(ana, chat, "admin"), 409, "conflict")
    refused(await remove(ana, chat, "bruno"), 409, "conflict")


async def test_who_does_not_exist_is_not_brought_in_and_neither_are_the_others(system: System) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", kind="group")
    refused(await add(ana, chat, "admin", "nobody"), 422, "invalid", "members[1]")
    assert sorted((await ana.get(f"/v1/conversations/{chat}"))["members"]) == ["ana", "bruno"]
    refused(await remove(ana, chat, "nobody"), 404, "not-found")


async def test_a_message_is_for_those_who_were_members_when_it_was_said(system: System) -> None:
    ana, person, late = await system.login("ana"), await system.register(), await system.register()
    chat = await ana.conversation(person.username, kind="group")
    message = await ana.said(chat, "hello")
    assert [one["username"] for one in message["recipients"]] == [person.username]
    expected(await add(ana, chat, late.username), 200)
    again = await ana.settled(message["message_id"])
    assert [one["username"] for one in again["recipients"]] == [person.username]
    later = await ana.said(chat, "hello, both")
    assert sorted(one["username"] for one in later["recipients"]) == sorted([person.username, late.username])
