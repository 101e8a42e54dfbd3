"""Who is here: heartbeats, several devices, and who may know (design section 6)."""

import pytest
from tests.integration.people import Person, System, expected, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def beat(person: Person, status: str | None = None) -> None:
    """Send a heartbeat."""
    body = {} if status is None else {"status": status}
    answer = expected(await person.call("POST", "/v1/presence/heartbeat", json=body), 200)
    assert answer.json() == {"status": "updated"}


async def test_who_was_never_here_is_offline(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    shown = await ana.get(f"/v1/presence/{person.username}")
    assert shown == {"username": person.username, "status": "offline", "last_seen": None}


@pytest.mark.parametrize(("said", "shown"), [(None, "online"), ("online", "online"), ("away", "away")])
async def test_a_heartbeat_says_how_present_someone_is(system: System, said: str | None, shown: str) -> None:
    ana, person = await system.login("ana"), await system.register()
    await beat(person, said)
    answer = await ana.get(f"/v1/presence/{person.username}")
    assert answer["status"] == shown
    assert answer["last_seen"].endswith("Z")


async def test_last_seen_is_kept_when_someone_goes(system: System) -> None:
    ana, person = await system.login("ana"), await system.register()
    await beat(person)
    here = await ana.get(f"/v1/presence/{person.username}")
    await beat(person, "offline")
    gone = await ana.get(f"/v1/presence/{person.username}")
    assert gone["status"] == "offline"
    assert gone["last_seen"] >= here["last_seen"]


async def test_offline_only_when_the_last_device_is(system: System) -> None:
    ana, phone = await system.login("ana"), await system.register()
    form = {"username": phone.username, "password": "correct horse battery"}
    token = expected(await system.stranger().call("POST", "/token", data=form), 200).json()["access_token"]
    laptop = system.holder(token)
    await beat(phone)
    await beat(laptop)
    await beat(phone, "offline")
    assert (await ana.get(f"/v1/presence/{phone.username}"))["status"] == "online"
    await beat(laptop, "offline")
    assert (await ana.get(f"/v1/presence/{phone.username}"))["status"] == "offline"


async def test_the_most_present_device_counts(system: System) -> None:
    ana, phone = await system.login("ana"), await system.register()
    form = {"username": phone.username, "password": "correct horse battery"}
    token = expected(await system.stranger().call("POST", "/token", data=form), 200).json()["access_token"]
    await beat(phone, "away")
    assert (await ana.get(f"/v1/presence/{phone.username}"))["status"] == "away"
    await beat(system.holder(token), "online")
    await beat(phone, "away")
    assert (await ana.get(f"/v1/presence/{phone.username}"))["status"] == "online"


async def test_a_user_sees_himself_and_those_he_shares_a_conversation_with(system: System) -> None:
    one, two, stranger = await system.register(), await system.register(), await system.register()
    await one.conversation(two.username)
    for viewer, viewed in ((one, one), (one, two), (two, one)):
        assert (await viewer.get(f"/v1/presence/{viewed.username}"))["username"] == viewed.username
    for viewer, viewed in ((one, stranger), (stranger, two)):
        refused(await viewer.call("GET", f"/v1/presence/{viewed.username}"), 404, "not-found")


@pytest.mark.parametrize("who", ["ana", "admin"])
async def test_agents_and_admins_see_everyone(system: System, who: str) -> None:
    viewer, person = await system.login(who), await system.register()
    assert (await viewer.get(f"/v1/presence/{person.username}"))["status"] == "offline"
    refused(await viewer.call("GET", "/v1/presence/nobody"), 404, "not-found")


async def test_after_the_last_shared_conversation_presence_is_private_again(system: System) -> None:
    one, two = await system.register(), await system.register()
    chat = await one.conversation(two.username, kind="group")
    await one.get(f"/v1/presence/{two.username}")
    expected(await two.call("DELETE", f"/v1/conversations/{chat}/members/{two.username}"), 200)
    refused(await one.call("GET", f"/v1/presence/{two.username}"), 404, "not-found")
