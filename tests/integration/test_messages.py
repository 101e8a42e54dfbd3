"""Messages: accepted, stored in order, read back page by page, edited and deleted (design sections 3, 4 and 7)."""

import asyncio

import pytest
from tests.integration.people import System, expected, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = {
    "portuguese": "Não há pão, só açaí – coração à vontade, às 5h",
    "arabic": "مرحبا بالعالم، كيف حالك؟ ١٢٣",
    "mixed direction": "ana قالت: \u202bمرحبا\u202c (ok)",
    "emoji of several code points": "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇧🇷 ❤️",
    "combining marks, not normalised": "é e\u0301 Å A\u030a ﬁ",
    "hindi and thai": "नमस्ते दुनिया สวัสดี",
    "beyond the basic plane": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎𠜱",
    "white space around and within": "  \tindented\r\n\n  twice \u00a0\u2003",
    "control characters": "\x01\x1b[31mred\x7f\x85",
    "line separators": "one\u2028two\u2029three",
    "noncharacters and private use": "\ufffe\uffff\ue000\U0010ffff",
    "byte order mark": "\ufeffbegins",
    "html and json": '<script>alert("x")</script> {"a": \\"b\\"} \' ; DROP TABLE messages; --',
    "zero width joiner alone": "a\u200db",
    "as long as may be": "€" * 10_000,
    "as long as may be, beyond the basic plane": "😀" * 10_000,
}


async def test_a_post_is_accepted_with_its_id_and_soon_stored(system: System) -> None:
    ana, _, chat = await system.pair()
    body = {"chat_id": chat, "content": "Olá", "channels": ["all"], "reply_to": None, "file_id": None}
    answer = expected(await ana.call("POST", "/v1/messages", json=body), 202)
    assert answer.json() == {"status": "accepted", "message_id": answer.json()["message_id"]}
    assert "Idempotent-Replay" not in answer.headers
    message = await ana.settled(answer.json()["message_id"])
    given = {
        "message_id": answer.json()["message_id"],
        "conversation_id": chat,
        "sender_id": "ana",
        "content": "Olá",
        "file_id": None,
        "channels": ["all"],
        "status": "sent",
        "type": "message",
        "seq": 1,
        "reply_to": None,
        "edited_at": None,
        "deleted_at": None,
    }
    assert {**message, **given} == message
    assert message["created_at"].endswith("Z")


async def test_a_message_that_is_not_stored_yet_is_to_be_asked_for_again_in_a_second(system: System) -> None:
    ana = await system.login("ana")
    unknown = "0190a000-0000-7000-8000-000000000000"
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"content": "x"}),
        ("DELETE", "", None),
        ("GET", "/timeline", None),
        ("PATCH", "/status", {"status": "read", "conversation_id": "any"}),
    ):
        answer = await ana.call(method, f"/v1/messages/{unknown}{path}", json=body)
        refused(answer, 404, "message-not-found")
        assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS.keys())
async def test_text_comes_back_as_it_was_sent(system: System, content: str) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, content)
    assert message["content"] == content
    assert (await bruno.history(chat))[-1]["content"] == content
    await ana.edit(message["message_id"], f"{content[:9_999]}!")
    assert (await bruno.history(chat))[-1]["content"] == f"{content[:9_999]}!"


async def test_two_hundred_posts_at_once_each_get_one_place_in_one_order(system: System) -> None:
    ana, bruno, chat = await system.pair()
    posts = [(writer, f"{writer.username} {number}") for number in range(100) for writer in (ana, bruno)]
    ids = await asyncio.gather(*(writer.post(chat, content) for writer, content in posts))
    history = await ana.heard(chat, 200)
    assert [one["seq"] for one in history] == list(range(1, 201))
    said = {id_: (writer.username, content) for id_, (writer, content) in zip(ids, posts, strict=True)}
    assert {one["message_id"]: (one["sender_id"], one["content"]) for one in history} == said
    assert await bruno.history(chat, limit=200) == history


async def test_who_waits_for_each_202_is_read_in_the_order_in_which_he_wrote(system: System) -> None:
    ana, bruno, chat = await system.pair()

    async def write(writer: object) -> None:
        person = ana if writer == "ana" else bruno
        for number in range(40):
            await person.post(chat, str(number))

    await asyncio.gather(write("ana"), write("bruno"))
    history = await ana.heard(chat, 80)
    assert [one["seq"] for one in history] == list(range(1, 81))
    for sender in ("ana", "bruno"):
        assert [one["content"] for one in history if one["sender_id"] == sender] == [str(n) for n in range(40)]


async def test_conversations_are_numbered_each_for_itself(system: System) -> None:
    ana = await system.login("ana")
    chats = [await ana.conversation("bruno") for _ in range(5)]
    for number in range(1, 4):
        for chat in chats:
            assert (await ana.said(chat, "x"))["seq"] == number


async def test_history_is_the_last_page_by_rising_seq(system: System) -> None:
    ana, bruno, chat = await system.pair()
    assert await ana.history(chat) == []
    for number in range(1, 61):
        await ana.post(chat, str(number))
    await ana.heard(chat, 60)
    for params, expected_seqs in (
        ({}, range(11, 61)),
        ({"limit": 10}, range(51, 61)),
        ({"limit": 200}, range(1, 61)),
        ({"after_seq": 0, "limit": 3}, range(1, 4)),
        ({"after_seq": 58}, range(59, 61)),
        ({"after_seq": 60}, range(0)),
        ({"after_seq": 2**53}, range(0)),
        ({"before_seq": 4}, range(1, 4)),
        ({"before_seq": 40, "limit": 5}, range(35, 40)),
        ({"before_seq": 1}, range(0)),
        ({"before_seq": 0}, range(0)),
        ({"after_seq": 10, "before_seq": 14}, range(11, 14)),
    ):
        page = await bruno.history(chat, **params)
        assert [one["seq"] for one in page] == list(expected_seqs), params
        assert [one["content"] for one in page] == [str(seq) for seq in expected_seqs]


async def test_history_is_walked_both_ways_by_its_link_header(system: System) -> None:
    ana, _, chat = await system.pair()
    for number in range(1, 24):
        await ana.post(chat, str(number))
    await ana.heard(chat, 23)
    path = f"/v1/conversations/{chat}/messages"
    forward = await ana.pages(path, after_seq=0, limit=5)
    assert [one["seq"] for page in forward for one in page] == list(range(1, 24))
    back = await ana.pages(path, limit=5)
    assert [one["seq"] for page in reversed(back) for one in page] == list(range(1, 24))


async def test_a_reply_names_what_it_answers(system: System) -> None:
    ana, bruno, chat = await system.pair()
    question = await ana.said(chat, "Where?")
    answer = await bruno.said(chat, "Here.", reply_to=question["message_id"])
    assert answer["reply_to"] == question["message_id"]
    assert [one["reply_to"] for one in await ana.history(chat)] == [None, question["message_id"]]


async def test_a_message_of_another_conversation_cannot_be_answered(system: System) -> None:
    ana, _, chat = await system.pair()
    elsewhere = await ana.said(await ana.conversation("bruno"), "elsewhere")
    for id_ in (elsewhere["message_id"], "no-such-message"):
        body = {"chat_id": chat, "content": "x", "reply_to": id_}
        refused(await ana.call("POST", "/v1/messages", json=body), 422, "invalid", "reply_to")
    assert (await ana.said(chat, "first"))["seq"] == 1


async def test_an_edit_is_seen_by_all_and_its_message_keeps_its_place(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "Helo")
    await ana.said(chat, "next")
    answer = expected(await ana.call("PATCH", f"/v1/messages/{message['message_id']}", json={"content": "Hello"}), 202)
    assert answer.json()["status"] == "accepted"
    assert answer.json()["message_id"] == message["message_id"]
    assert answer.json()["change_id"] != message["message_id"]
    edited = await bruno.becomes(message["message_id"], content="Hello")
    assert (edited["seq"], edited["created_at"]) == (1, message["created_at"])
    assert edited["edited_at"] >= message["created_at"]
    assert [(one["seq"], one["content"]) for one in await bruno.history(chat)] == [(1, "Hello"), (2, "next")]


async def test_a_deleted_message_stays_as_an_empty_one_that_is_marked(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "oops")
    await ana.said(chat, "next")
    await ana.delete(message["message_id"])
    deleted = await bruno.settled(message["message_id"])
    assert (deleted["content"], deleted["seq"]) == ("", 1)
    assert deleted["deleted_at"] >= message["created_at"]
    page = await bruno.history(chat)
    assert [(one["seq"], one["content"], one["deleted_at"] is None) for one in page] == [
        (1, "", False),
        (2, "next", True),
    ]


async def test_edits_and_deletes_take_a_seq_and_stand_in_the_history_of_all_kinds(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "one")
    other = await bruno.said(chat, "two")
    await ana.edit(message["message_id"], "one!")
    await bruno.delete(other["message_id"])
    rows = await bruno.history(chat, kinds="all")
    assert [(row["seq"], row["type"], row["sender_id"]) for row in rows] == [
        (1, "message", "ana"),
        (2, "message", "bruno"),
        (3, "edit", "ana"),
        (4, "delete", "bruno"),
    ]
    edit, delete = rows[2:]
    assert (edit["message_id"], edit["target_seq"], edit["content"]) == (message["message_id"], 1, "one!")
    assert (delete["message_id"], delete["target_seq"]) == (other["message_id"], 2)
    assert [one["seq"] for one in await bruno.history(chat)] == [1, 2]
    assert (await ana.said(chat, "three"))["seq"] == 5
    pages = await ana.pages(f"/v1/conversations/{chat}/messages", after_seq=0, kinds="all", limit=2)
    assert [row["seq"] for page in pages for row in page] == [1, 2, 3, 4, 5]


async def test_an_edit_is_shown_as_its_message_stands_now(system: System) -> None:
    ana, bruno, chat = await system.pair()
    message = await ana.said(chat, "one")
    await ana.edit(message["message_id"], "two")
    await ana.edit(message["message_id"], "three")
    contents = [row["content"] for row in await bruno.history(chat, kinds="all")]
    assert contents == ["three", "three", "three"]
    await ana.delete(message["message_id"])
    rows = await bruno.history(chat, kinds="all")
    assert [row.get("content", "") for row in rows] == [""] * 4


async def test_an_edit_that_races_a_deletion_never_brings_the_content_back(system: System) -> None:
    ana, bruno, chat = await system.pair()
    for _ in range(10):
        message = await ana.said(chat, "secret")
        path = f"/v1/messages/{message['message_id']}"
        requests = [ana.call("DELETE", path), *(ana.call("PATCH", path, json={"content": "x"}) for _ in range(3))]
        for answer in await asyncio.gather(*requests):
            assert answer.status_code == 202 or refused(answer, 409, "deleted")
        await ana.said(chat, "a record behind them all")
        assert (await bruno.settled(message["message_id"]))["content"] == ""


async def test_only_its_sender_edits_or_deletes_a_message(system: System) -> None:
    ana, bruno, _ = await system.pair()
    admin = await system.login("admin")
    chat = await ana.conversation("bruno", "admin")
    message = await bruno.said(chat, "mine")
    path = f"/v1/messages/{message['message_id']}"
    for other in (ana, admin):
        refused(await other.call("PATCH", path, json={"content": "x"}), 403, "forbidden")
        refused(await other.call("DELETE", path), 403, "forbidden")
    assert (await ana.said(chat, "next"))["seq"] == 2
    assert (await ana.settled(message["message_id"]))["content"] == "mine"


async def test_a_deleted_message_is_neither_edited_nor_deleted_again(system: System) -> None:
    ana, _, chat = await system.pair()
    message = await ana.said(chat, "gone")
    await ana.delete(message["message_id"])
    path = f"/v1/messages/{message['message_id']}"
    refused(await ana.call("PATCH", path, json={"content": "x"}), 409, "deleted")
    refused(await ana.call("DELETE", path), 409, "deleted")
    assert (await ana.said(chat, "next"))["seq"] == 3


async def test_what_somebody_else_may_not_see_is_not_there_for_him(system: System) -> None:
    ana, _, chat = await system.pair()
    outsider = await system.register()
    path = f"/v1/messages/{(await ana.said(chat, 'private'))['message_id']}"
    status = {"status": "read", "conversation_id": chat}
    for answer in (
        await outsider.call("GET", path),
        await outsider.call("GET", f"{path}/timeline"),
        await outsider.call("PATCH", path, json={"content": "x"}),
        await outsider.call("DELETE", path),
        await outsider.call("PATCH", f"{path}/status", json=status),
    ):
        refused(answer, 404, "message-not-found")
        assert answer.headers["Retry-After"] == "1"
