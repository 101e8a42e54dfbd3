"""Phones: what people do on them, what bots hear of it, and what a phone shows."""

import json
import threading
import time
from typing import Any

import httpx
import pytest
from tests.integration.simulator.test_updates import texts
from tests.integration.simulator.world import DEADLINE, Bot, Phone, Simulator, until


def refused(simulator: Simulator, verb: str, path: str, body: object = None) -> tuple[int, str]:
    answer = simulator.client.request(verb, f"/control{path}", json=body)
    return answer.status_code, str(answer.json()["detail"])


def join(simulator: Simulator, group: int, user: str, by: str = "") -> None:
    simulator.control("POST", f"/telegram/groups/{group}/members", {"user": user, "by": by})


def test_a_phone_shows_what_was_said_edited_and_deleted(bot: Bot, phone: Phone):
    sent = bot.call("sendMessage", chat_id=phone.id, text="one")
    bot.call("sendMessage", chat_id=phone.id, text="two")
    bot.call("editMessageText", chat_id=phone.id, message_id=sent["message_id"], text="one!")
    mine = phone.write(bot, "three")
    phone.edit(bot, mine["message_id"], "three!")
    assert phone.texts(bot) == ["/start", "one!", "two", "three!"]
    bot.call("deleteMessage", chat_id=phone.id, message_id=sent["message_id"])
    assert phone.texts(bot) == ["/start", "two", "three!"]


def test_a_command_a_quote_and_an_edit_come_to_the_bot(bot: Bot, phone: Phone):
    sent = bot.call("sendMessage", chat_id=phone.id, text="Where shall it go?")
    command = phone.write(bot, "/start CODE42")
    reply = phone.write(bot, "Home", reply_to=sent["message_id"], quote="it go")
    phone.edit(bot, reply["message_id"], "Home!")
    first, second, third = bot.pending()
    assert first["message"]["entities"] == [{"offset": 0, "length": 6, "type": "bot_command"}]
    assert first["message"]["message_id"] == command["message_id"]
    assert second["message"]["reply_to_message"]["message_id"] == sent["message_id"]
    assert second["message"]["quote"] == {"text": "it go", "position": 12, "is_manual": True}
    assert third["edited_message"]["text"] == "Home!"
    assert third["edited_message"]["edit_date"] >= third["edited_message"]["date"]


def test_blocking_is_told_and_ends_what_may_be_sent(bot: Bot, phone: Phone):
    phone.block(bot)
    phone.block(bot)
    answer = bot.ask("sendMessage", chat_id=phone.id, text="hello")
    assert (answer.status_code, answer.json()["description"]) == (403, "Forbidden: bot was blocked by the user")
    phone.block(bot, False)
    assert bot.ask("sendMessage", chat_id=phone.id, text="hello").status_code == 200
    moves = [one["my_chat_member"] for one in bot.pending()]
    assert [one["new_chat_member"]["status"] for one in moves] == ["kicked", "member"]
    assert moves[0]["new_chat_member"]["until_date"] == 0


def test_message_ids_are_of_their_chat_only(simulator: Simulator, bot: Bot, phone: Phone):
    clara = simulator.phone("Clara")
    assert clara.write(bot, "/start")["message_id"] == 1
    first = bot.call("sendMessage", chat_id=clara.id, text="to Clara")
    second = bot.call("sendMessage", chat_id=phone.id, text="to Bruno")
    assert first["message_id"] == second["message_id"] == 2


def test_a_group_is_heard_by_its_bots_as_privacy_lets_them(simulator: Simulator, bot: Bot, phone: Phone):
    nosy = simulator.bot(privacy=False)
    group = phone.group("Team")
    for one in (bot, nosy):
        join(simulator, group, one.name, phone.name)
    sent = bot.call("sendMessage", chat_id=group, text="Hello, all")
    assert sent["chat"] == {"id": group, "title": "Team", "type": "group"}
    phone.write(group, "between us")
    phone.write(group, "/help")
    phone.write(group, f"/help@{nosy.name}")
    phone.write(group, f"what says @{bot.name}?")
    phone.write(group, "thanks", reply_to=sent["message_id"])
    heard = texts([one for one in bot.pending() if one.get("message", {}).get("text")])
    assert heard == ["/help", "thanks"]
    assert len([one for one in nosy.pending() if one.get("message", {}).get("text")]) == 5


def test_joining_and_leaving_a_group_is_told(simulator: Simulator, bot: Bot, phone: Phone):
    group = phone.group()
    join(simulator, group, bot.name, phone.name)
    clara = simulator.phone("Clara")
    join(simulator, group, clara.name)
    simulator.client.delete(f"/control/telegram/groups/{group}/members/{clara.name}")
    simulator.client.delete(f"/control/telegram/groups/{group}/members/{bot.name}", params={"by": phone.name})
    updates = bot.pending()
    messages = [one["message"] for one in updates if "message" in one]
    assert [list(one)[-1] for one in messages] == [
        "new_chat_members", "new_chat_members", "left_chat_member", "left_chat_member",
    ]  # fmt: skip
    moves = [one["my_chat_member"] for one in updates if "my_chat_member" in one]
    assert [one["new_chat_member"]["status"] for one in moves] == ["member", "left"]
    answer = bot.ask("sendMessage", chat_id=group, text="hello")
    assert answer.json()["description"] == "Forbidden: bot was kicked from the group chat"


def test_a_group_that_became_a_supergroup_says_where_it_went(simulator: Simulator, bot: Bot, phone: Phone):
    group = phone.group()
    join(simulator, group, bot.name, phone.name)
    to = simulator.control("POST", f"/telegram/groups/{group}/migrate", {"by": phone.name})["id"]
    answer = bot.ask("sendMessage", chat_id=group, text="hello").json()
    assert answer["parameters"] == {"migrate_to_chat_id": to}
    assert bot.call("sendMessage", chat_id=to, text="hello")["chat"]["type"] == "supergroup"
    told = [one["message"] for one in bot.pending() if "message" in one]
    assert [one.get("migrate_to_chat_id") or one.get("migrate_from_chat_id") for one in told[-2:]] == [to, group]


def test_a_phone_tells_live_what_happens_on_it(simulator: Simulator, bot: Bot, phone: Phone):
    got: list[dict[str, Any]] = []

    def read() -> None:
        url = f"{simulator.url}/control{phone.path}/stream"
        with httpx.stream("GET", url, timeout=DEADLINE) as answer:
            for line in answer.iter_lines():
                if line == ": begin":
                    got.append({"what": "begun"})
                elif line.startswith("data: "):
                    got.append(json.loads(line[6:]))
                if len(got) == 6:
                    return

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: got)
    other = simulator.phone("Clara")
    other.write(bot, "not Bruno's")
    bot.call("sendChatAction", chat_id=phone.id, action="typing")
    sent = bot.call("sendMessage", chat_id=phone.id, text="hello")
    bot.call("editMessageText", chat_id=phone.id, message_id=sent["message_id"], text="hello!")
    bot.call("deleteMessage", chat_id=phone.id, message_id=sent["message_id"])
    phone.block(bot)
    reading.join(DEADLINE)
    assert [one["what"] for one in got] == ["begun", "typing", "message", "edited", "deleted", "blocked"]
    assert {one["chat"] for one in got[1:]} == {bot.id}


REFUSED = [
    ("GET", "/telegram/phones/nobody_here/chats", None, 404, "PUT /control/telegram/phones/nobody_here"),
    ("POST", "{phone}/chats/no_such_bot/messages", {"text": "x"}, 404, "PUT /control/telegram/bots/no_such_bot"),
    ("POST", "{phone}/chats/-42/messages", {"text": "x"}, 404, "There is no group -42"),
    ("POST", "{phone}/chats/{bot}/messages", {"text": ""}, 422, "at least 1 character"),
    ("POST", "{phone}/chats/{bot}/messages", {"text": "x" * 4097}, 422, "at most 4096"),
    ("POST", "{phone}/chats/{bot}/messages", {"text": "x", "reply_to": 999}, 409, "There is no message 999"),
    ("POST", "{phone}/chats/{bot}/messages", {"text": "x", "reply_to": 1, "quote": "zz"}, 409, "not part of"),
    ("POST", "{phone}/chats/{bot}/messages", {"text": "x", "colour": 1}, 422, "colour"),
    ("PATCH", "{phone}/chats/{bot}/messages/999", {"text": "x"}, 409, "There is no message 999"),
    ("DELETE", "{phone}/chats/{bot}/messages/999", None, 409, "There is no message 999"),
    ("PUT", "/telegram/phones/a", {}, 422, "pattern"),
    ("PUT", "/telegram/phones/{bot}", {}, 409, "a bot's name"),
    ("PUT", "/telegram/bots/{name}", {}, 409, "a person's name"),
    ("PUT", "/telegram/bots/new_bot", {"token": "nonsense"}, 422, "token"),
    ("PUT", "/telegram/phones/some_body", {"id": -1}, 422, "greater than 0"),
    ("PUT", "/telegram/limits", {"chat_second": 0}, 422, "chat_second"),
    ("POST", "/telegram/groups", {"title": "", "by": "x"}, 422, "title"),
    ("DELETE", "/faults/none", None, 404, "There is no rule none"),
]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_makes_no_sense_is_refused_and_says_why(bot: Bot, phone: Phone, case):
    verb, path, body, status, why = case
    path = path.format(phone=phone.path, bot=bot.name, name=phone.name)
    code, said = refused(bot.simulator, verb, path, body)
    assert code == status
    assert why in said


def test_who_is_gone_or_has_blocked_does_not_write(simulator: Simulator, bot: Bot, phone: Phone):
    path = f"{phone.path}/chats/{bot.name}/messages"
    phone.block(bot)
    assert refused(simulator, "POST", path, {"text": "x"})[0] == 409
    phone.block(bot, False)
    simulator.control("PUT", phone.path, {"deactivated": True})
    assert "deactivated" in refused(simulator, "POST", path, {"text": "x"})[1]


LIMITS = [
    ({"chat_second": 1}, "one chat", 1),
    ({"chat_second": 3}, "one chat", 3),
    ({"bot_second": 4}, "many chats", 4),
    ({"group_minute": 5}, "a group", 5),
]


@pytest.mark.parametrize("case", LIMITS, ids=str)
def test_what_is_sent_too_often_is_told_to_wait(simulator: Simulator, bot: Bot, phone: Phone, case):
    limits, where, passed = case
    chats = [phone.id] * 7
    if where == "many chats":
        people = [simulator.phone("Many") for _ in range(7)]
        for one in people:
            one.write(bot, "/start")
        chats = [one.id for one in people]
    if where == "a group":
        chats = [phone.group()] * 7
        join(simulator, chats[0], bot.name, phone.name)
    lifted = dict.fromkeys(("chat_second", "group_minute", "bot_second"))

    def answered() -> list[httpx.Response]:
        """All within one second, by our clock; else nothing, and the counts begin anew with the next try."""
        simulator.control("PUT", "/telegram/limits", {**lifted, **limits})
        began = time.monotonic()
        answers = [bot.ask("sendMessage", chat_id=chat, text="hello") for chat in chats]
        return answers if time.monotonic() - began < 1 or where == "a group" else []

    try:
        answers = until(answered)
    finally:
        simulator.control("PUT", "/telegram/limits", lifted)
    assert [one.status_code for one in answers] == [200] * passed + [429] * (7 - passed)
    wait = answers[-1].json()["parameters"]["retry_after"]
    assert answers[-1].json()["description"] == f"Too Many Requests: retry after {wait}"
    assert 1 <= wait <= (60 if where == "a group" else 1)


def test_the_limits_are_those_that_telegram_documents(tmp_path, simulator: Simulator):
    simulator.control("PUT", "/telegram/limits", {})
    told = simulator.control("GET", "/telegram/limits")
    simulator.control("PUT", "/telegram/limits", dict.fromkeys(told))
    assert told == {"chat_second": 1, "group_minute": 20, "bot_second": 30}


def test_pages_from_elsewhere_cannot_play_with_it(simulator: Simulator):
    for path in ("/", "/control/telegram/bots", "/docs"):
        answer = simulator.client.get(path, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert "token" not in answer.text
    form = simulator.client.request(
        "PUT", "/control/telegram/bots/x_bot", content=b"{}", headers={"Content-Type": "text/plain"}
    )
    assert form.status_code == 422
