"""Receipts and presence over WebSockets (docs/websocket.md)."""

import asyncio
import time

import pytest
from tests.integration.conftest import Start
from tests.integration.people import Person, System, expected
from tests.integration.wires import TIME, Phone, eventually, metric, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- receipts


async def test_an_ack_makes_it_delivered_and_a_read_makes_it_read(system: System, phone: Phone) -> None:
    """As the sender sees it: by the receipt frame, the message's status, its recipients, and its timeline."""
    ana, bruno, chat = await system.pair()
    anas, brunos = await phone.live(system, ana), await phone.live(system, bruno)
    message = (await ana.said(chat, "Olá"))["message_id"]
    await brunos.up_to(chat, 1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "sent"
    await brunos.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await anas.until("receipt", user_id="bruno", delivered_seq=1, read_seq=0)
    delivered = await ana.get(f"/v1/messages/{message}")
    assert delivered["status"] == "delivered"
    assert delivered["recipients"][0]["read_at"] is None
    await brunos.say({"type": "read", "conversation_id": chat, "seq": 1})
    await anas.until("receipt", user_id="bruno", delivered_seq=1, read_seq=1)
    read = await ana.get(f"/v1/messages/{message}")
    assert read["status"] == "read"
    assert read["recipients"][0]["delivered_at"] == delivered["recipients"][0]["delivered_at"]
    events = await ana.get(f"/v1/messages/{message}/timeline")
    assert [(one["what"], one["who"]) for one in events] == [
        ("accepted", "ana"),
        ("delivered", "bruno"),
        ("read", "bruno"),
    ]


async def test_what_is_read_was_delivered(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    anas, brunos = await phone.live(system, ana), await phone.live(system, bruno)
    message = await ana.post(chat, "Olá")
    await brunos.up_to(chat, 1)
    await brunos.say({"type": "read", "conversation_id": chat, "seq": 1})
    await anas.until("receipt", user_id="bruno", delivered_seq=1, read_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "read"


async def test_in_a_group_the_status_is_the_lowest_of_all(system: System, phone: Phone, carol: Person) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", carol.username)
    anas, brunos, third = [await phone.live(system, person) for person in (ana, bruno, carol)]
    message = await ana.post(chat, "Olá")
    await asyncio.gather(*(wire.up_to(chat, 1) for wire in (anas, brunos, third)))
    await brunos.say({"type": "read", "conversation_id": chat, "seq": 1})
    await anas.until("receipt", user_id="bruno", read_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "sent"
    await third.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await anas.until("receipt", user_id=carol.username, delivered_seq=1)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "delivered"


async def test_receipts_only_move_forward(system: System, phone: Phone) -> None:
    """An older device that acknowledges less takes nothing back."""
    ana, bruno, chat = await system.pair()
    anas, new, old = [await phone.live(system, person) for person in (ana, bruno, bruno)]
    for number in range(3):
        message = (await ana.said(chat, str(number)))["message_id"]
    await new.say({"type": "read", "conversation_id": chat, "seq": 3})
    await anas.until("receipt", read_seq=3)
    await old.say({"type": "ack", "conversation_id": chat, "seq": 1})
    await old.say({"type": "read", "conversation_id": chat, "seq": 2})
    await ana.post(chat, "4")
    await new.up_to(chat, 4)
    await new.say({"type": "ack", "conversation_id": chat, "seq": 4})
    await anas.until("receipt", delivered_seq=4)
    assert (await ana.get(f"/v1/messages/{message}"))["status"] == "read"
    receipts = anas.of("receipt", user_id="bruno", conversation_id=chat)
    assert max(one["read_seq"] for one in receipts) == 3
    resumed = await (await phone.silent(system, bruno)).resume({})
    assert resumed["cursors"][chat]["bruno"] == {"delivered_seq": 4, "read_seq": 3}


async def test_receipts_are_gathered_to_one_record_a_second(start: Start, phone: Phone) -> None:
    alone = await start()
    ana, bruno, chat = await alone.pair()
    anas, brunos = await phone.live(alone, ana), await phone.live(alone, bruno)
    await asyncio.gather(*(ana.post(chat, str(number)) for number in range(60)))
    await brunos.up_to(chat, 60)
    began = time.monotonic()
    for seq in range(1, 61):
        await brunos.say({"type": "ack", "conversation_id": chat, "seq": seq})
        await brunos.say({"type": "read", "conversation_id": chat, "seq": seq})
    await anas.until("receipt", delivered_seq=60, read_seq=60)
    took = time.monotonic() - began
    assert 1 <= await metric(alone, "chat4all_accepted_total", kind="receipt") <= 1 + took // 1 + 1


@pytest.mark.parametrize("acks", [1, 2], ids=["the first ack", "an ack that waits for its second"])
async def test_an_ack_right_before_the_client_leaves_counts(system: System, phone: Phone, acks: int) -> None:
    """ "This device has everything up to that seq: delivered", whether or not it stays to hear more."""
    ana, bruno, chat = await system.pair()
    for number in range(acks):
        message = (await ana.said(chat, str(number)))["message_id"]
    async with wired(system, bruno.token or "") as wire:
        await wire.resume({chat: acks})
        for seq in range(1, acks + 1):
            await wire.say({"type": "ack", "conversation_id": chat, "seq": seq})
    await ana.becomes(message, status="delivered")


# -- presence


async def test_presence_over_several_devices(system: System, phone: Phone, carol: Person) -> None:
    """Online with the first device, offline only when the last one goes; who shares a conversation is told, once."""
    dora = await system.register("dora")
    await carol.conversation("dora")
    watching = await phone.live(system, carol)
    async with wired(system, dora.token or "") as first, wired(system, dora.token or "") as second:
        await asyncio.gather(first.pong(), second.pong())
        frame = await watching.until("presence", user_id="dora")
        assert TIME.fullmatch(frame.pop("timestamp"))
        assert frame == {"type": "presence", "to_user": carol.username, "user_id": "dora", "status": "online"}
        open_now = await metric(system, "chat4all_sessions")
        await second.connection.close()

        async def one_is_gone() -> bool:
            return await metric(system, "chat4all_sessions") == open_now - 1

        await eventually(one_is_gone, "the second device's session has ended")
        assert (await carol.get("/v1/presence/dora"))["status"] == "online"
        assert watching.of("presence", user_id="dora", status="offline") == []
    await watching.until("presence", user_id="dora", status="offline")
    assert [one["status"] for one in watching.of("presence", user_id="dora")] == ["online", "offline"]
    gone = await carol.get("/v1/presence/dora")
    assert gone["status"] == "offline"
    assert TIME.fullmatch(gone["last_seen"])


async def test_presence_by_heartbeat(system: System, phone: Phone, carol: Person) -> None:
    """The most present device counts: away by heartbeat, online while a WebSocket is open, then away again."""
    emil = await system.register("emil")
    await carol.conversation("emil")
    watching = await phone.live(system, carol)

    async def beat(status: str) -> None:
        answer = expected(await emil.call("POST", "/v1/presence/heartbeat", json={"status": status}), 200)
        assert answer.json() == {"status": "updated"}

    await beat("away")
    await watching.until("presence", user_id="emil", status="away")
    async with wired(system, emil.token or "") as wire:
        await watching.until("presence", user_id="emil", status="online")
        await beat("away")
        await wire.pong()
    await watching.until("presence", user_id="emil", status="away")
    await beat("online")
    await watching.until("presence", user_id="emil", status="online")
    await beat("offline")
    await watching.until("presence", user_id="emil", status="offline")
    statuses = [one["status"] for one in watching.of("presence", user_id="emil")]
    assert statuses == ["away", "online", "away", "online", "offline"]


async def test_presence_is_not_for_those_who_share_no_conversation(system: System, phone: Phone, carol: Person) -> None:
    hugo = await system.register("hugo")
    stranger, friend = await system.register("stranger"), carol
    await friend.conversation("hugo")
    theirs, anas = await phone.live(system, stranger), await phone.live(system, friend)
    await phone.live(system, hugo)
    await anas.until("presence", user_id="hugo", status="online")
    await theirs.pong()
    assert theirs.of("presence") == []
