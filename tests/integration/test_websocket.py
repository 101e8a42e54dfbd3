"""The WebSocket as docs/websocket.md describes it, over a real connection: what the server says to whom, order, ends.

Each test has a conversation of its own, and a wire that opens with a ping is live from where the conversations stand
then.
"""

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import Start, running
from tests.integration.people import Person, System, expected
from tests.integration.test_websocket_opening import token_with
from tests.integration.wires import TIME, Phone, Wire, eventually, join, metric, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- what the server says


async def test_a_message(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    first = await ana.said(chat, "Olá")
    wire = await phone.live(system, bruno)
    message = await ana.post(chat, "مرحبا 👩‍👩‍👧‍👦", reply_to=first["message_id"])
    frame = await wire.until("message")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "message",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "sender_id": "ana",
        "content": "مرحبا 👩‍👩‍👧‍👦",
        "file_id": None,
        "reply_to": first["message_id"],
        "edited_at": None,
        "deleted_at": None,
    }


async def test_an_edit(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    message = (await ana.said(chat, "Ola"))["message_id"]
    wire = await phone.live(system, bruno)
    await ana.edit(message, "Olá")
    frame = await wire.until("edit")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "edit",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "target_seq": 1,
        "sender_id": "ana",
        "content": "Olá",
        "deleted_at": None,
    }


async def test_a_delete(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    message = (await ana.said(chat, "Esquece."))["message_id"]
    wire = await phone.live(system, bruno)
    await ana.delete(message)
    frame = await wire.until("delete")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "delete",
        "to_user": "bruno",
        "conversation_id": chat,
        "seq": 2,
        "message_id": message,
        "target_seq": 1,
        "sender_id": "ana",
    }


async def test_members_who_come_and_go(system: System, phone: Phone, carol: Person) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", kind="group")
    wire = await phone.live(system, bruno)
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": [carol.username]}), 200)
    came = await wire.until("members")
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    went = await wire.until("members")
    for frame in (came, went):
        assert TIME.fullmatch(frame.pop("timestamp"))
    shape = {"type": "members", "to_user": "bruno", "conversation_id": chat, "sender_id": "ana"}
    assert came == {**shape, "seq": 1, "added": [carol.username], "removed": []}
    assert went == {**shape, "seq": 2, "added": [], "removed": [carol.username]}


async def test_typing_reaches_the_others(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    anas, brunos = await phone.live(system, ana), await phone.live(system, bruno)
    await anas.say({"type": "typing", "conversation_id": chat})
    frame = await brunos.until("typing")
    assert frame == {"type": "typing", "to_user": "bruno", "conversation_id": chat, "user_id": "ana"}


async def test_typing_is_passed_on_at_most_every_two_seconds(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    anas, brunos = await phone.live(system, ana), await phone.live(system, bruno)
    began = time.monotonic()
    for _ in range(20):
        await anas.say({"type": "typing", "conversation_id": chat})
    assert await anas.pong() == []
    took = time.monotonic() - began
    await ana.post(chat, "Olá")
    await brunos.until("message")
    assert 1 <= len(brunos.of("typing", conversation_id=chat)) <= 1 + took // 2


async def test_a_receipt(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    anas, brunos = await phone.live(system, ana), await phone.live(system, bruno)
    await ana.post(chat, "Olá")
    await brunos.until("message")
    await brunos.say({"type": "ack", "conversation_id": chat, "seq": 1})
    frame = await anas.until("receipt")
    assert TIME.fullmatch(frame.pop("timestamp"))
    assert frame == {
        "type": "receipt",
        "to_user": "ana",
        "conversation_id": chat,
        "user_id": "bruno",
        "delivered_seq": 1,
        "read_seq": 0,
    }


async def test_the_answer_to_a_resume(system: System, phone: Phone, carol: Person) -> None:
    rita = await system.register("rita")
    chat = await carol.conversation("rita")
    await carol.said(chat, "Olá")
    wire = await phone.silent(system, rita)
    assert await wire.resume({}) == {
        "type": "resume",
        "to_user": "rita",
        "recovered": True,
        "conversations": {chat: {"recovered": True, "from": 0, "to": 1}},
        "cursors": {},
    }


# -- who gets what


async def test_the_senders_own_messages_come_back_to_him(system: System, phone: Phone) -> None:
    ana, _, chat = await system.pair()
    wire = await phone.live(system, ana)
    message = await ana.post(chat, "Olá")
    frame = await wire.until("message")
    assert (frame["message_id"], frame["sender_id"], frame["to_user"]) == (message, "ana", "ana")


async def test_every_device_of_a_user_gets_everything(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    devices = [await phone.live(system, bruno) for _ in range(3)]
    message = (await ana.said(chat, "Olá"))["message_id"]
    await ana.edit(message, "Oi")
    await ana.delete(message)
    await ana.said(chat, "Até já")
    for wire in devices:
        frames = await wire.up_to(chat, 4)
        assert [frame["type"] for frame in frames] == ["message", "edit", "delete", "message"]
        assert wire.seqs(chat) == [1, 2, 3, 4]


async def test_a_conversation_that_is_made_after_connecting_shows_up(system: System, phone: Phone) -> None:
    ana, bruno, _ = await system.pair()
    wire = await phone.live(system, bruno)
    chat = await ana.conversation("bruno")
    await ana.post(chat, "Outra conversa")
    frame = await wire.until("message", conversation_id=chat)
    assert frame["seq"] == 1


async def test_a_removed_member_gets_nothing_more(system: System, phone: Phone, carol: Person) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", carol.username)
    anas, gone = await phone.live(system, ana), await phone.live(system, carol)
    await ana.post(chat, "Antes")
    await gone.until("message")
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    secret = (await ana.said(chat, "Depois"))["message_id"]
    await ana.edit(secret, "Depois!")
    await anas.up_to(chat, 4)
    await anas.say({"type": "typing", "conversation_id": chat})
    await anas.pong()
    assert [frame for frame in await gone.pong() if frame.get("conversation_id") == chat] == []
    for frame in ({"type": "ack", "seq": 1}, {"type": "read", "seq": 1}, {"type": "typing"}):
        await gone.say({**frame, "conversation_id": chat})
        await gone.until("error")
    again = await phone.silent(system, carol)
    assert chat not in (await again.resume({}))["conversations"]
    assert again.rows(chat) == []


async def test_a_new_member_gets_frames_and_all_that_was_said_before(
    system: System, phone: Phone, carol: Person
) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", kind="group")
    message = (await ana.said(chat, "Antes"))["message_id"]
    await ana.edit(message, "Antes de ti")
    wire = await phone.live(system, carol)
    await join(ana, chat, carol.username)
    await ana.post(chat, "Bem-vinda")
    frames = await wire.up_to(chat, 4)
    assert [(one["seq"], one["type"]) for one in frames] == [
        (1, "message"),
        (2, "edit"),
        (3, "members"),
        (4, "message"),
    ]
    assert frames[0]["content"] == "Antes de ti"


async def test_a_member_who_comes_back_gets_what_was_said_meanwhile(
    system: System, phone: Phone, carol: Person
) -> None:
    ana = await system.login("ana")
    chat = await ana.conversation("bruno", carol.username)
    wire = await phone.live(system, carol)
    await ana.post(chat, "1")
    await wire.up_to(chat, 1)
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/{carol.username}"), 200)
    await ana.post(chat, "3")
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": [carol.username]}), 200)
    await ana.post(chat, "5")
    await wire.up_to(chat, 5)
    assert wire.seqs(chat) == [1, 2, 3, 4, 5]


# -- order


async def test_order_without_hole_or_repeat_while_four_write_at_once(
    system: System, phone: Phone, carol: Person
) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    dirk = await system.register("dirk")
    writers = [ana, bruno, carol, dirk]
    chat = await ana.conversation("bruno", carol.username, "dirk")
    readers = [await phone.live(system, person) for person in writers]

    async def write(person: Person) -> None:
        for number in range(50):
            await person.post(chat, f"{number}")

    await asyncio.gather(*(write(person) for person in writers), *(wire.up_to(chat, 200) for wire in readers))
    for wire in readers:
        assert wire.seqs(chat) == list(range(1, 201))
        assert [one["message_id"] for one in wire.rows(chat)] == [one["message_id"] for one in readers[0].rows(chat)]
    for person in writers:
        said = [one["content"] for one in readers[0].rows(chat) if one["sender_id"] == person.username]
        assert said == [str(number) for number in range(50)], "as its writer posted it"


async def test_order_with_edits_and_deletes_among_messages(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    wire = await phone.live(system, bruno)

    async def fidget(number: int) -> None:
        message = (await ana.said(chat, f"{number}"))["message_id"]
        await ana.edit(message, f"{number}!")
        await ana.delete(message)

    await asyncio.gather(*(fidget(number) for number in range(20)))
    frames = await wire.up_to(chat, 60)
    assert wire.seqs(chat) == list(range(1, 61))
    kinds: dict[str, list[str]] = {}
    for frame in frames:
        kinds.setdefault(frame["message_id"], []).append(frame["type"])
    assert list(kinds.values()) == [["message", "edit", "delete"]] * 20


# -- ends


async def test_a_token_that_ends_is_announced_and_then_the_socket_is_closed_with_4401(
    start: Start, phone: Phone
) -> None:
    brief = await start(gateway={"warn_seconds": 3})
    ana, bruno, chat = await brief.pair()
    await ana.said(chat, "Olá")
    expires = int(time.time()) + 6
    wire = await phone.silent(brief, brief.holder(token_with(brief, bruno.token or "", exp=expires)))
    await wire.resume({chat: 0})
    assert await wire.closed() == 4401
    [warning] = wire.of("token_expiring")
    assert warning.keys() == {"type", "expires_at", "to_user"}
    assert TIME.fullmatch(warning["expires_at"])
    assert warning["expires_at"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(expires)))
    assert wire.seqs(chat) == [1]


async def test_a_server_that_goes_away_closes_with_1012(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as clients:
        async with running(tmp_path) as leaving:
            ana, bruno, _ = await leaving.pair()
            wires = [await clients.enter_async_context(wired(leaving, one.token or "")) for one in (ana, ana, bruno)]
            for wire in wires:
                await wire.pong()
            silent = await clients.enter_async_context(wired(leaving, ana.token or ""))
        for wire in (*wires, silent):
            assert await wire.closed() == 1012


async def test_more_sessions_than_there_may_be_are_asked_to_try_again(start: Start) -> None:
    """With 1013; when one has gone there is room again."""
    small = await start(gateway={"sessions": 2})
    ana, bruno, _ = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(wired(small, ana.token or ""))
        second = await stack.enter_async_context(wired(small, bruno.token or ""))
        await asyncio.gather(first.pong(), second.pong())
        third = await stack.enter_async_context(wired(small, bruno.token or ""))
        assert await third.closed() == 1013
        assert await first.pong() == []
        await second.connection.close()

        async def there_is_room() -> bool:
            return await metric(small, "chat4all_sessions") == 1

        await eventually(there_is_room, "the second session has ended")
        fourth = await stack.enter_async_context(wired(small, bruno.token or ""))
        assert await fourth.pong() == []


# -- a client that does not read


async def paused(stack: contextlib.AsyncExitStack, system: System, person: Person) -> Wire:
    """A live client that stops reading: small buffers, and nobody takes what arrives."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", system.port))
    options: dict[str, Any] = {"sock": raw, "max_queue": 1, "ping_interval": None}
    wire = await stack.enter_async_context(wired(system, person.token or "", **options))
    await wire.pong()
    return wire


async def cut_off(system: System, writer: Person, chat: str) -> int:
    """Post big messages until a session is cut off; how many it took."""
    before = await metric(system, "chat4all_cut_off_sessions_total")
    for number in range(1, 100):
        await asyncio.gather(*(writer.post(chat, "雪" * 10_000) for _ in range(10)))
        if await metric(system, "chat4all_cut_off_sessions_total") > before:
            return number * 10
    raise AssertionError("a client that does not read is never cut off")


async def test_a_client_that_does_not_read_is_cut_off_and_resumes(start: Start) -> None:
    """With 1013, as soon as it is too far behind; the others do not notice, and it gets everything once."""
    small = await start(gateway={"queue": 50})
    ana, bruno, chat = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(wired(small, bruno.token or "", max_queue=None))
        await other.pong()
        slow = await paused(stack, small, bruno)
        total = await cut_off(small, ana, chat)
        assert await slow.closed() == 1013
        got = slow.seqs(chat)
        assert got == list(range(1, len(got) + 1))
        assert len(got) < total
        again = await stack.enter_async_context(wired(small, bruno.token or ""))
        answer = await again.resume({chat: len(got)})
        assert answer["recovered"] is True
        await ana.post(chat, "Por fim")
        await again.up_to(chat, total + 1)
        assert [*got, *again.seqs(chat)] == list(range(1, total + 2))
        await other.up_to(chat, total + 1)
        assert other.seqs(chat) == list(range(1, total + 2))
        assert await metric(small, "chat4all_cut_off_sessions_total") == 1


async def test_a_client_that_never_reads_again_is_let_go(start: Start) -> None:
    """What the server holds does not grow with time: the connection ends even where the close frame is not taken."""
    small = await start(gateway={"queue": 50})
    ana, bruno, chat = await small.pair()
    async with contextlib.AsyncExitStack() as stack:
        slow = await paused(stack, small, bruno)
        await cut_off(small, ana, chat)

        async def is_gone() -> bool:
            return tcp_state(slow) != "ESTABLISHED"

        try:
            await eventually(is_gone, "the server lets go of the connection")
        finally:
            slow.cut()


def tcp_state(wire: Wire) -> str:
    """What the kernel says of the client's end (Linux: the first byte of tcp_info)."""
    names = ("?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT")
    found = wire.connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return names[found] if found < len(names) else f"state {found}"
