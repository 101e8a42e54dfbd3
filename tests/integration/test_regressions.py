"""The smallest case of each fault that a review or a proof has found in the whole system."""

import pytest
import websockets
from tests.integration.conftest import Start
from tests.integration.people import DEADLINE, System, unused
from tests.integration.wires import Wire

from chat4all.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_resume_that_was_announced_comes_before_anything_new(start: Start) -> None:
    """However late it comes: a client takes the highest seq it was shown for its cursor."""
    hasty = await start(gateway={"resume_grace_seconds": 0.0})
    ana, bruno, chat = await hasty.pair()
    for text in ("1", "2", "3"):
        await ana.said(chat, text)
    url = f"{hasty.ws_url}?resume=1&token={bruno.token}"
    async with websockets.connect(url, proxy=None, open_timeout=DEADLINE) as connection:
        wire = Wire(connection)
        await ana.said(chat, "4")
        await wire.say({"type": "resume", "cursors": {chat: 1}})
        await wire.until("resume")
        assert [frame["seq"] for frame in wire.heard if frame["type"] == "message"] == [2, 3, 4]


async def test_a_message_stays_read_when_somebody_comes_in(system: System) -> None:
    """It was for those who were there."""
    ana, bruno = await system.login("ana"), await system.login("bruno")
    late = await system.register()
    chat = await ana.conversation("bruno", kind="group")
    message = (await ana.said(chat, "hello"))["message_id"]
    read = {"status": "read", "conversation_id": chat}
    assert (await bruno.call("PATCH", f"/v1/messages/{message}/status", json=read)).status_code == 200
    await ana.becomes(message, status="read")
    await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": [late.username]})
    found = await ana.get(f"/v1/messages/{message}")
    assert found["status"] == "read"
    assert [one["username"] for one in found["recipients"]] == ["bruno"]


async def test_what_is_too_much_to_be_pushed_is_read_in_pages(start: Start) -> None:
    """The command line's client shows all of a long conversation, once, in order."""
    small = await start(gateway={"replay_limit": 10})
    ana, _, chat = await small.pair()
    for number in range(25):
        await ana.post(chat, f"{number}")
    await ana.heard(chat, 25)
    shown: list[int] = []
    async with Client(small.url, "bruno", "demo") as client:
        async for _, frame in client.frames({}):
            if frame.get("conversation_id") == chat and "seq" in frame:
                shown.append(frame["seq"])
            if len(shown) == 25:
                break
    assert shown == list(range(1, 26))


async def test_an_address_is_for_its_owner_and_admins(system: System) -> None:
    name = unused()
    owner = await system.register(name, email="someone@example.org")
    asked = {"who": owner, "an admin": await system.login("admin"), "another": await system.login("bruno")}
    seen = {who: (await person.get("/v1/users", q=name))[0]["email"] for who, person in asked.items()}
    assert seen == {"who": "someone@example.org", "an admin": "someone@example.org", "another": None}


async def test_a_reply_is_to_a_message(system: System) -> None:
    """An edit has an id and a place too, and is nothing to reply to."""
    ana, _, chat = await system.pair()
    message = (await ana.said(chat, "hello"))["message_id"]
    change = await ana.edit(message, "hello!")
    await ana.becomes(message, content="hello!")
    body = {"chat_id": chat, "content": "yes", "reply_to": change}
    answer = await ana.call("POST", "/v1/messages", json=body)
    assert answer.status_code == 422
    assert answer.headers["Retry-After"] == "1"
    assert (await ana.call("POST", "/v1/messages", json={**body, "reply_to": message})).status_code == 202
