"""Coming back (docs/websocket.md): whoever names the highest seq they have gets the rest, in order, and nothing twice.

Whatever happens meanwhile: messages that keep coming, connections that are cut in the middle, pushes that are lost.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from tests.integration.conftest import Start, running
from tests.integration.people import Person, System, busy, chatter, expected
from tests.integration.wires import LONG, Phone, Wire, join, metric, wired

from chat4all.conversations.presence import Presence
from chat4all.gateway import hub, session
from chat4all.gateway.shown import Shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNORDERED: Final = ("presence", "receipt", "typing", "pong")


async def everything(person: Person) -> dict[str, int]:
    """The cursors of somebody who has all that there is in their conversations."""
    listed = await person.get("/v1/conversations", limit=200)
    return {one["conversation_id"]: one["last_seq"] for one in listed}


def story(wire: Wire) -> list[tuple[str, int | None]]:
    """Type and seq of what was heard, but for what has no place in an order."""
    return [(one["type"], one.get("seq")) for one in wire.heard if one["type"] not in UNORDERED]


# -- exactly what was missed


async def test_what_was_missed_comes_in_order_then_the_answer_then_what_is_new(system: System, phone: Phone) -> None:
    """Filled from each message as it stands now, be its own place before the cursor or after it."""
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", kind="group")
    known = (await ana.said(chat, "1"))["message_id"]
    await ana.said(chat, "2")
    cursors = await everything(bruno)
    changed = (await ana.said(chat, "3"))["message_id"]
    gone = (await ana.said(chat, "4"))["message_id"]
    await ana.edit(changed, "3, changed")
    await ana.delete(gone)
    await join(ana, chat, "admin")
    await ana.said(chat, "8")
    await ana.edit(known, "1, changed")
    await ana.edit(changed, "3, changed again")

    wire = await phone.resumed(system, bruno, cursors)
    assert story(wire) == [
        ("message", 3),
        ("message", 4),
        ("edit", 5),
        ("delete", 6),
        ("members", 7),
        ("message", 8),
        ("edit", 9),
        ("edit", 10),
        ("resume", None),
    ]
    third, fourth, fifth, sixth, seventh, _, ninth, tenth = wire.rows(chat)
    assert third["content"] == "3, changed again"
    assert third["edited_at"] == tenth["timestamp"]
    assert third["deleted_at"] is None
    assert (fourth["content"], fourth["deleted_at"]) == ("", sixth["timestamp"])
    assert (fifth["message_id"], fifth["target_seq"], fifth["content"]) == (changed, 3, "3, changed again")
    assert (sixth["message_id"], sixth["target_seq"]) == (gone, 4)
    assert (seventh["added"], seventh["removed"]) == (["admin"], [])
    assert (ninth["message_id"], ninth["target_seq"], ninth["content"]) == (known, 1, "1, changed")
    assert (tenth["message_id"], tenth["target_seq"], tenth["content"]) == (changed, 3, "3, changed again")

    await ana.post(chat, "11")
    await wire.up_to(chat, 11)
    assert story(wire)[-2:] == [("resume", None), ("message", 11)]


async def test_a_frame_in_a_resume_is_what_it_was_when_it_was_live(system: System, phone: Phone) -> None:
    """The same fields with the same values, where nothing has changed since."""
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", kind="group")
    cursors = await everything(bruno)
    live = await phone.live(system, bruno)
    message = (await ana.said(chat, "Olá"))["message_id"]
    await ana.said(chat, "Respondo", reply_to=message)
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": ["admin"]}), 200)
    await live.up_to(chat, 3)
    later = await phone.resumed(system, bruno, cursors)
    assert later.rows(chat) == live.rows(chat)


async def test_nothing_of_a_deleted_message_is_in_its_edits(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    message = (await ana.said(chat, "Segredo 1"))["message_id"]
    await ana.edit(message, "Segredo 2")
    await ana.delete(message)
    wire = await phone.resumed(system, bruno, {})
    first, edit, _ = wire.rows(chat)
    assert (first["content"], edit["content"]) == ("", "")
    assert first["deleted_at"] == edit["deleted_at"] is not None
    assert "Segredo" not in str(wire.heard)


@pytest.mark.parametrize(
    ("cursor", "missed"),
    [(None, [1, 2, 3, 4, 5]), (0, [1, 2, 3, 4, 5]), (1, [2, 3, 4, 5]), (4, [5]), (5, []), (6, []), (2**53, [])],
    ids=["not named", "nought", "the first", "all but one", "all", "above the head", "far above the head"],
)
async def test_the_cursor_says_where_to_go_on(
    system: System, phone: Phone, cursor: int | None, missed: Sequence[int]
) -> None:
    ana, bruno, chat = await system.pair()
    await chatter(ana, chat, 5)
    wire = await phone.silent(system, bruno)
    answer = await wire.resume({} if cursor is None else {chat: cursor})
    assert wire.seqs(chat) == missed
    assert answer["conversations"][chat]["recovered"] is True
    assert answer["conversations"][chat]["to"] == 5
    if missed:
        assert answer["conversations"][chat]["from"] == missed[0] - 1
    await ana.post(chat, "6")
    await wire.up_to(chat, 6)
    assert wire.seqs(chat) == [*missed, 6]


async def test_conversations_that_the_client_did_not_know_are_included(system: System, phone: Phone) -> None:
    ana, bruno, known = await system.pair()
    cursors = await everything(bruno)
    made, empty = await ana.conversation("bruno"), await ana.conversation("bruno")
    await chatter(ana, made, 3)
    wire = await phone.silent(system, bruno)
    answer = await wire.resume(cursors)
    assert story(wire) == [("message", 1), ("message", 2), ("message", 3), ("resume", None)]
    assert wire.seqs(made) == [1, 2, 3]
    assert answer["conversations"][made] == {"recovered": True, "from": 0, "to": 3}
    assert answer["conversations"][empty] == {"recovered": True, "from": 0, "to": 0}
    assert answer["conversations"].keys() == {*cursors, made, empty}
    assert known in answer["conversations"]


async def test_conversations_that_are_not_ones_own_are_ignored(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    foreign = await ana.conversation("admin")
    await chatter(ana, foreign, 2)
    cursors = await everything(bruno)
    wire = await phone.silent(system, bruno)
    answer = await wire.resume({**cursors, foreign: 0, "none-such": 17, "\x00": 1, "é": 2**53})
    assert story(wire) == [("resume", None)]
    assert answer["conversations"].keys() == cursors.keys()
    assert answer["cursors"].keys() <= cursors.keys()
    assert answer["recovered"] is True
    await ana.post(foreign, "3")
    await ana.post(chat, "1")
    await wire.up_to(chat, 1)
    assert wire.rows(foreign) == []


async def test_a_conversation_that_one_was_removed_from_is_over(system: System, phone: Phone) -> None:
    ana, bruno = await system.login("ana"), await system.login("bruno")
    chat = await ana.conversation("bruno", "admin")
    await ana.said(chat, "1")
    expected(await ana.call("DELETE", f"/v1/conversations/{chat}/members/bruno"), 200)
    await ana.said(chat, "3")
    wire = await phone.silent(system, bruno)
    answer = await wire.resume({chat: 1})
    assert chat not in answer["conversations"]
    assert chat not in answer["cursors"]
    assert wire.rows(chat) == []


async def test_somebody_without_conversations(system: System, phone: Phone) -> None:
    new = await system.register()
    wire = await phone.silent(system, new)
    answer = await wire.resume({})
    assert (answer["recovered"], answer["conversations"], answer["cursors"]) == (True, {}, {})


async def test_the_answer_tells_how_far_everyone_is(system: System, phone: Phone) -> None:
    """So that whoever was away knows what became of their messages."""
    ana, bruno, chat = await system.pair()
    messages = await chatter(ana, chat, 3)
    brunos = await phone.resumed(system, bruno, await everything(bruno))
    await brunos.say({"type": "ack", "conversation_id": chat, "seq": 3})
    await brunos.say({"type": "read", "conversation_id": chat, "seq": 2})
    await ana.becomes(messages[1], status="read")
    await ana.becomes(messages[2], status="delivered")
    answer = await (await phone.silent(system, ana)).resume({})
    assert answer["cursors"][chat] == {"bruno": {"delivered_seq": 3, "read_seq": 2}}


async def test_more_than_a_page_is_replayed_whole(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    messages = await chatter(ana, chat, 420)
    await ana.edit(messages[0], "the first, changed")
    cursors = {**await everything(bruno), chat: 7}
    wire = await phone.resumed(system, bruno, cursors)
    assert wire.seqs(chat) == list(range(8, 422))
    assert wire.rows(chat)[-1]["content"] == "the first, changed"


# -- more than is pushed


@pytest.mark.parametrize("missed", [4, 5], ids=["one less than the limit", "the limit"])
async def test_up_to_the_limit_all_is_replayed(start: Start, phone: Phone, missed: int) -> None:
    small = await start(gateway={"replay_limit": 5})
    ana, bruno, chat = await small.pair()
    await chatter(ana, chat, 2 + missed)
    wire = await phone.silent(small, bruno)
    answer = await wire.resume({chat: 2})
    assert answer["recovered"] is True
    assert wire.seqs(chat) == list(range(3, 3 + missed))


async def test_beyond_the_limit_the_client_is_told_to_read_the_rest(start: Start, phone: Phone) -> None:
    """A resync frame says from where to where; REST has those rows, and the socket what comes after them."""
    small = await start(gateway={"replay_limit": 5})
    ana, bruno, chat = await small.pair()
    other = await ana.conversation("bruno")
    await chatter(ana, other, 5)
    messages = await chatter(ana, chat, 6)
    await ana.edit(messages[0], "changed")
    await ana.delete(messages[1])
    wire = await phone.silent(small, bruno)
    answer = await wire.resume({chat: 2})
    assert wire.of("resync") == [
        {"type": "resync", "to_user": "bruno", "conversation_id": chat, "from": 2, "to": 8},
    ]
    assert wire.rows(chat) == []
    assert wire.seqs(other) == [1, 2, 3, 4, 5]
    assert answer["recovered"] is False
    assert answer["conversations"][chat] == {"recovered": False, "from": 2, "to": 8}
    assert answer["conversations"][other] == {"recovered": True, "from": 0, "to": 5}
    rest = await bruno.history(chat, after_seq=2, kinds="all", limit=200)
    assert [(one["type"], one["seq"]) for one in rest] == [
        ("message", 3),
        ("message", 4),
        ("message", 5),
        ("message", 6),
        ("edit", 7),
        ("delete", 8),
    ]
    await ana.post(chat, "9")
    await wire.up_to(chat, 9)
    assert wire.seqs(chat) == [9]


async def test_beyond_the_limit_while_connected(start: Start, phone: Phone) -> None:
    """A new member of a long conversation is told to read it, and gets what is new."""
    small = await start(gateway={"replay_limit": 5})
    ana, bruno = await small.login("ana"), await small.login("bruno")
    chat = await ana.conversation("admin", kind="group")
    await chatter(ana, chat, 8)
    wire = await phone.live(small, bruno)
    expected(await ana.call("POST", f"/v1/conversations/{chat}/members", json={"members": ["bruno"]}), 200)
    resync = await wire.until("resync", conversation_id=chat)
    assert (resync["from"], resync["to"]) == (0, 9)
    assert [one["seq"] for one in await bruno.history(chat, after_seq=0, kinds="all")] == list(range(1, 10))
    await ana.post(chat, "10")
    await wire.up_to(chat, 10)
    assert wire.seqs(chat) == [10]


# -- a resume that comes late, or again


@pytest.mark.parametrize("grace", [0.0, 10.0], ids=["no wait for a resume", "a long wait for a resume"])
async def test_what_comes_between_the_handshake_and_the_resume(start: Start, phone: Phone, grace: float) -> None:
    """Everything once either way; in order where the session waited for the resume."""
    waiting = await start(gateway={"resume_grace_seconds": grace})
    ana, bruno, chat = await waiting.pair()
    await chatter(ana, chat, 3)
    wire = await phone.silent(waiting, bruno)
    await chatter(ana, chat, 3)
    await wire.resume({chat: 1})
    await ana.post(chat, "7")
    await wire.up_to(chat, 7)
    assert sorted(wire.seqs(chat)) == [2, 3, 4, 5, 6, 7]
    if grace:
        assert wire.seqs(chat) == [2, 3, 4, 5, 6, 7]


async def test_a_client_that_says_nothing_goes_live(start: Start, phone: Phone) -> None:
    hasty = await start(gateway={"resume_grace_seconds": 0.05})
    ana, bruno, chat = await hasty.pair()
    await chatter(ana, chat, 2)
    wire = await phone.silent(hasty, bruno)
    await ana.post(chat, "3")
    await wire.up_to(chat, 3)
    assert wire.seqs(chat) == [3]


async def test_who_is_connected_is_shown_what_is_said_from_then_on_however_slowly_the_session_begins(
    system: System, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, bruno, chat = await system.pair()
    asked, answered, begin = asyncio.Event(), asyncio.Event(), Shown.begin

    async def slowly(shown: Shown) -> None:
        asked.set()
        await answered.wait()
        await begin(shown)

    monkeypatch.setattr(Shown, "begin", slowly)
    connecting = asyncio.create_task(phone.silent(system, bruno))
    await asked.wait()
    await chatter(ana, chat, 2)
    assert not connecting.done(), "it would not be shown what was said"
    answered.set()
    wire = await connecting
    await ana.post(chat, "3")
    await wire.up_to(chat, 3)
    assert wire.seqs(chat) == [3]


@pytest.mark.parametrize("waits_for", ["its place", "where all stands"])
async def test_a_client_whose_session_does_not_begin_is_told_to_come_again(
    start: Start, phone: Phone, monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    own = await start()
    _, bruno, _ = await own.pair()

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    module, owner, name = (hub, Presence, "arrived") if waits_for == "its place" else (session, Shown, "begin")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_OPEN_TIMEOUT_SECONDS" if module is hub else "_BEGIN_TIMEOUT_SECONDS", 0.01)
        patch.setattr(owner, name, never)
        wire = await phone.silent(own, bruno)
        assert await wire.closed() == 1013
    await phone.live(own, bruno)
    assert await metric(own, "chat4all_sessions") == 1, "the one that did not begin does not count"


@pytest.mark.parametrize("cursor", [None, 0, 2, 5, 6, 7], ids=str)
async def test_a_late_resume_brings_what_lies_before_going_live_and_nothing_twice(
    system: System, phone: Phone, cursor: int | None
) -> None:
    ana, bruno, chat = await system.pair()
    await chatter(ana, chat, 5)
    wire = await phone.live(system, bruno)
    await chatter(ana, chat, 2)
    await wire.up_to(chat, 7)
    assert wire.seqs(chat) == [6, 7]
    cursors = await everything(bruno)
    del cursors[chat]
    await wire.resume(cursors if cursor is None else {**cursors, chat: cursor})
    late = list(range(min(cursor or 0, 5) + 1, 6))
    assert wire.seqs(chat) == [6, 7, *late]
    await chatter(ana, chat, 2)
    await wire.up_to(chat, 9)
    assert wire.seqs(chat) == [6, 7, *late, 8, 9]


async def test_a_second_resume_repeats_nothing(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    await chatter(ana, chat, 3)
    wire = await phone.silent(system, bruno)
    await wire.resume({**await everything(bruno), chat: 1})
    await chatter(ana, chat, 2)
    await wire.up_to(chat, 5)
    for cursors in ({}, {chat: 1}, {chat: 5}):
        await wire.resume(cursors)
    await ana.post(chat, "6")
    await wire.up_to(chat, 6)
    assert wire.seqs(chat) == [2, 3, 4, 5, 6]


async def test_a_resume_that_is_not_understood_can_be_said_again(system: System, phone: Phone) -> None:
    """The error frame is no resume: what was missed still comes, once."""
    ana, bruno, chat = await system.pair()
    await chatter(ana, chat, 4)
    wire = await phone.silent(system, bruno)
    await wire.say({"type": "resume", "cursors": {chat: "2"}})
    await wire.until("error")
    await wire.resume({**await everything(bruno), chat: 2})
    await ana.post(chat, "5")
    await wire.up_to(chat, 5)
    assert wire.seqs(chat) == [3, 4, 5]


async def test_each_device_resumes_from_its_own_place(system: System, phone: Phone) -> None:
    ana, bruno, chat = await system.pair()
    await chatter(ana, chat, 6)
    base = await everything(bruno)
    wires = {cursor: await phone.resumed(system, bruno, {**base, chat: cursor}) for cursor in (0, 3, 6)}
    await ana.post(chat, "7")
    for cursor, wire in wires.items():
        await wire.up_to(chat, 7)
        assert wire.seqs(chat) == list(range(cursor + 1, 8))


# -- while messages keep coming


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_hole_and_no_repeat_wherever_a_client_resumes(system: System, phone: Phone, seed: int) -> None:
    """Twenty-five clients come in while others write, each at a moment and from a cursor of its own."""
    dice = random.Random(seed)
    ana, bruno, chat = await system.pair()
    total = 120
    base = await everything(bruno)
    witness = await phone.live(system, ana)
    news = asyncio.Condition()

    async def watch() -> None:
        while len(witness.rows(chat)) < total:
            await witness.hear()
            async with news:
                news.notify_all()

    async def come_in() -> None:
        moment = dice.randrange(total)
        async with news:
            await news.wait_for(lambda: len(witness.rows(chat)) >= moment)
        cursor = dice.randint(0, len(witness.rows(chat)))
        async with wired(system, bruno.token or "", resumes=True) as wire:
            await wire.resume({**base, chat: cursor})
            if cursor < total:
                await wire.up_to(chat, total)
            await wire.pong()
            assert wire.seqs(chat) == list(range(cursor + 1, total + 1)), f"from {cursor}"

    await asyncio.gather(watch(), busy([ana, ana, bruno], chat, total, dice), *(come_in() for _ in range(25)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_reader_who_reconnects_twenty_times_sees_every_seq_once_and_in_order(system: System, seed: int) -> None:
    """Cut anywhere: before the resume, in its middle, before its answer, among live frames; politely or not."""
    dice = random.Random(seed)
    ana, bruno, chat = await system.pair()
    total, seen, connections = 300, [0], 0
    base = await everything(bruno)
    writing = asyncio.create_task(busy([ana, ana], chat, total, dice))
    while seen[-1] < total:
        connections += 1
        patient = connections > 20
        async with wired(system, bruno.token or "", resumes=True) as wire:
            if patient or dice.random() < 0.9:
                await wire.say({"type": "resume", "cursors": {**base, chat: seen[-1]}})
                for _ in range(total * 2 if patient else dice.randint(0, 12)):
                    await wire.hear(LONG)
                    if wire.seqs(chat)[-1:] == [total]:
                        break
            seen += wire.seqs(chat)
            if dice.random() < 0.7:
                wire.cut()
    await writing
    assert seen == list(range(total + 1))
    assert connections > 20, "it was cut off twenty times"


async def test_a_client_resumes_after_a_restart_of_the_server(tmp_path: Path) -> None:
    """What it names is all that it takes: no session outlives the server."""
    async with running(tmp_path) as first:
        ana, bruno, chat = await first.pair()
        await chatter(ana, chat, 3)
        async with wired(first, bruno.token or "", resumes=True) as wire:
            await wire.resume({chat: 1})
            assert wire.seqs(chat) == [2, 3]
        await ana.post(chat, "4")
    async with running(tmp_path) as second:
        await (await second.login("ana")).post(chat, "5")
        async with wired(second, bruno.token or "", resumes=True) as wire:
            await wire.resume({chat: 3})
            await wire.up_to(chat, 5)
            assert wire.seqs(chat) == [4, 5]
