"""What became of a message: sent, delivered, read, forward only; and its timeline (invariant 7)."""

import asyncio

import httpx
import pytest
from tests.integration.people import DEADLINE, Person, System, expected, refused
from tests.integration.wires import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def tell(person: Person, message: dict[str, object], status: str, **more: object) -> httpx.Response:
    """PATCH the status of a message."""
    body = {"status": status, "conversation_id": message["conversation_id"], **more}
    return await person.call("PATCH", f"/v1/messages/{message['message_id']}/status", json=body)


async def test_a_message_goes_from_sent_to_delivered_to_read(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    assert message["status"] == "sent"
    assert message["recipients"] == [
        {
            "username": "bruno",
            "name": "bruno",
            "status": "sent",
            "delivered_at": None,
            "read_at": None,
            "channels": [],
        },
    ]
    assert expected(await tell(bruno, message, "delivered"), 200).json() == {"status": "ok"}
    delivered = await ana.becomes(message["message_id"], status="delivered")
    (recipient,) = delivered["recipients"]
    assert recipient["status"] == "delivered"
    assert recipient["delivered_at"] >= message["created_at"]
    assert recipient["read_at"] is None
    expected(await tell(bruno, message, "read"), 200)
    read = await ana.becomes(message["message_id"], status="read")
    (again,) = read["recipients"]
    assert again["delivered_at"] == recipient["delivered_at"]
    assert again["read_at"] >= again["delivered_at"]
    assert [one["status"] for one in await ana.history(chat)] == ["read"]


async def test_a_status_never_goes_back(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    expected(await tell(bruno, message, "read"), 200)
    await ana.becomes(message["message_id"], status="read")
    read = await ana.settled(message["message_id"])
    expected(await tell(bruno, message, "delivered"), 200)
    later = await ana.said(chat, "a record behind it")
    expected(await tell(bruno, later, "delivered"), 200)
    await ana.becomes(later["message_id"], status="delivered")
    now = await ana.settled(message["message_id"])
    assert (now["status"], now["recipients"][0]["status"]) == ("read", "read")
    assert now["recipients"][0]["read_at"] == read["recipients"][0]["read_at"]


async def test_read_is_delivered_too(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    expected(await tell(bruno, message, "read"), 200)
    (recipient,) = (await ana.becomes(message["message_id"], status="read"))["recipients"]
    assert recipient["delivered_at"] is not None
    assert recipient["read_at"] is not None


async def test_what_was_said_before_was_read_too_and_what_came_after_was_not(system: System) -> None:
    ana, bruno, chat = await system.pair()
    messages = [await ana.said(chat, str(number)) for number in range(4)]
    expected(await tell(bruno, messages[2], "read"), 200)
    await ana.becomes(messages[2]["message_id"], status="read")
    assert [one["status"] for one in await ana.history(chat)] == ["read", "read", "read", "sent"]


async def test_the_status_is_the_lowest_over_all_recipients(system: System) -> None:
    ana, one, two = await system.login("ana"), await system.register(), await system.register()
    chat = await ana.conversation(one.username, two.username)
    message = await ana.said(chat, "hello, both")
    steps = [(one, "read", "sent"), (two, "delivered", "delivered"), (two, "read", "read")]
    for who, said, whole in steps:
        expected(await tell(who, message, said), 200)

        async def is_so(who: Person = who, said: str = said) -> bool:
            now = await ana.settled(message["message_id"])
            return (who.username, said) in {(one["username"], one["status"]) for one in now["recipients"]}

        await eventually(is_so, f"{who.username} is told to have {said} it")
        assert (await ana.settled(message["message_id"]))["status"] == whole


async def test_an_answer_never_contradicts_itself_while_receipts_come_in(system: System) -> None:
    """The status is the lowest over the recipients of the same answer, whenever it is asked for."""
    ana, bruno, chat = await system.pair()
    shown: set[tuple[str, str]] = set()

    async def watch(message: str) -> None:
        whole = ""
        while whole != "read":
            now = await ana.settled(message)
            whole = now["status"]
            shown.add((whole, now["recipients"][0]["status"]))

    for number in range(40):
        message = await ana.said(chat, str(number))
        watchers = [asyncio.create_task(watch(message["message_id"])) for _ in range(5)]
        expected(await tell(bruno, message, "read"), 200)
        await asyncio.wait_for(asyncio.gather(*watchers), DEADLINE)
    assert shown <= {("sent", "sent"), ("read", "read")}


async def test_a_message_to_nobody_is_sent(system: System) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("ana", kind="group")
    message = await ana.said(chat, "note to self")
    assert (message["status"], message["recipients"]) == ("sent", [])


async def test_the_sender_cannot_say_that_his_message_was_read(system: System) -> None:
    ana, _, chat = await system.pair()
    message = await ana.said(chat, "hello")
    for status in ("delivered", "read"):
        refused(await tell(ana, message, status), 403, "forbidden")
    assert (await ana.settled(message["message_id"]))["status"] == "sent"


async def test_a_status_names_the_conversation_of_its_message(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    other = await ana.conversation("bruno")
    refused(await tell(bruno, message, "read", conversation_id=other), 404, "message-not-found")
    assert (await ana.settled(message["message_id"]))["status"] == "sent"


@pytest.mark.parametrize("status", ["sent", "failed", "seen", "", None, 1], ids=str)
async def test_a_recipient_says_delivered_or_read_and_nothing_else(system: System, status: str) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    refused(await tell(bruno, message, status), 422, "invalid", "status")


async def test_receipts_take_no_seq(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "one")
    expected(await tell(bruno, message, "read"), 200)
    await ana.becomes(message["message_id"], status="read")
    assert (await ana.said(chat, "two"))["seq"] == 2


async def test_the_timeline_tells_where_a_message_has_been(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "hello")
    await ana.edit(message["message_id"], "hello!")
    expected(await tell(bruno, message, "delivered"), 200)
    await ana.becomes(message["message_id"], status="delivered")
    expected(await tell(bruno, message, "read"), 200)
    await ana.becomes(message["message_id"], status="read")
    await ana.delete(message["message_id"])
    for reader in (ana, bruno):
        timeline = await reader.get(f"/v1/messages/{message['message_id']}/timeline")
        assert [(entry["what"], entry["who"]) for entry in timeline] == [
            ("accepted", "ana"),
            ("edited", "ana"),
            ("delivered", "bruno"),
            ("read", "bruno"),
            ("deleted", "ana"),
        ]
        times = [entry["at"] for entry in timeline]
        assert times == sorted(times)
