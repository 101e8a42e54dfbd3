"""Every fault, on calls and on updates, and on which of them it works."""

import concurrent.futures
import json
import socket
import time
from collections import Counter

import httpx
import pytest
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.test_updates import ids, texts
from tests.integration.simulator.world import DEADLINE, Bot, Phone, Simulator, until

SEND = {"on": {"method": "sendMessage"}}


@pytest.fixture
def receiver(bot: Bot):
    """The bot's webhook."""
    made = Receiver()
    bot.call("setWebhook", url=made.url, secret_token="right")
    yield made
    made.close()


def outcome(bot: Bot, phone: Phone, **more) -> str:
    """What comes of a send: a status, or how the line ended."""
    try:
        return str(bot.ask("sendMessage", chat_id=phone.id, text="hello", **more).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


def processed(bot: Bot, phone: Phone) -> int:
    return phone.texts(bot).count("hello")


def raw(bot: Bot, phone: Phone) -> socket.socket:
    """A send on a line of its own, not yet read from."""
    body = json.dumps({"chat_id": phone.id, "text": "hello"}).encode()
    line = socket.create_connection(("127.0.0.1", bot.simulator.port), timeout=DEADLINE)
    head = f"POST {bot.path}/sendMessage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    line.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return line


def test_too_many_requests_with_what_to_wait(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "too_many_requests", "retry_after": 37}, **SEND)
    answer = bot.ask("sendMessage", chat_id=phone.id, text="hello")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "37"
    said = {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 37"}
    assert answer.json() == {**said, "parameters": {"retry_after": 37}}
    assert processed(bot, phone) == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_server_errors_come_as_a_page_before_or_after_processing(bot: Bot, phone: Phone, status, when, count):
    bot.fails(do={"fault": "server_error", "status": status, "when": when}, **SEND)
    answer = bot.ask("sendMessage", chat_id=phone.id, text="hello")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.text.startswith("<html>")
    assert processed(bot, phone) == count


@pytest.mark.parametrize("when", ["before", "after"])
def test_slow_answers_come_late(bot: Bot, phone: Phone, when):
    bot.fails(do={"fault": "slow", "seconds": 0.4, "when": when}, **SEND)
    began = time.monotonic()
    assert outcome(bot, phone) == "200"
    assert time.monotonic() - began >= 0.4
    assert processed(bot, phone) == 1


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_what_is_slow_is_slow_before_or_after_processing(bot: Bot, phone: Phone, when, count):
    """So slow that no look comes too late."""
    bot.fails(do={"fault": "slow", "seconds": 600, "when": when}, **SEND)
    with raw(bot, phone):
        until(lambda: [one for one in bot.log("received") if one["method"] == "sendMessage"])
        assert processed(bot, phone) == count


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_a_line_is_cut_before_or_after_processing(bot: Bot, phone: Phone, when, count):
    bot.fails(do={"fault": "cut", "when": when}, **SEND)
    assert outcome(bot, phone) in {"ReadError", "RemoteProtocolError"}
    assert processed(bot, phone) == count


def test_a_line_is_cut_within_the_answer(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "cut", "bytes": 100}, **SEND)
    with raw(bot, phone) as line:
        answer = b""
        while more := line.recv(1000):
            answer += more
    assert len(answer) == 100
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(("when", "count"), [("before", 0), ("after", 1)])
def test_a_half_open_line_says_nothing_and_stays(bot: Bot, phone: Phone, when, count):
    bot.fails(do={"fault": "half_open", "when": when}, **SEND)
    with raw(bot, phone) as line:
        until(lambda: [one for one in bot.log("received") if one["method"] == "sendMessage"])
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
    assert processed(bot, phone) == count


def test_wrong_json(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "wrong_json"}, **SEND)
    answer = bot.ask("sendMessage", chat_id=phone.id, text="hello")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert processed(bot, phone) == 1


def test_a_reply_overtakes_the_answer_to_what_it_replies_to(bot: Bot, phone: Phone, receiver: Receiver):
    bot.fails(do={"fault": "overtaken", "seconds": 600}, **SEND)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sending = pool.submit(bot.call, "sendMessage", chat_id=phone.id, text="hello")
        message = until(lambda: [one for one in phone.shows(bot) if one["text"] == "hello"])[0]
        assert not sending.done()
        phone.write(bot, "quicker", reply_to=message["message_id"])
        assert sending.result()["message_id"] == message["message_id"]
    posted, answered = bot.log("post_answered")[-1]["n"], until(lambda: answer_of(bot, "sendMessage"))["n"]
    assert receiver.texts() == ["quicker"]
    assert answered < posted + 2, "the answer is made before, and leaves after"


def test_an_answer_that_nothing_overtakes_comes_in_the_end(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "overtaken", "seconds": 0.2}, **SEND)
    assert outcome(bot, phone) == "200"


def answer_of(bot: Bot, method: str):
    calls = {one["n"] for one in bot.log("received") if one["method"] == method}
    return next((one for one in bot.simulator.log(what="answered") if one["call"] in calls), None)


WHICH = [
    ({"nth": 3}, [3]),
    ({"first": 3}, [3, 4, 5, 6]),
    ({"first": 2, "last": 4}, [2, 3, 4]),
    ({"every": 2}, [1, 3, 5]),
    ({"first": 2, "every": 3}, [2, 5]),
    ({"times": 2}, [1, 2]),
    ({"probability": 0}, []),
    ({}, [1, 2, 3, 4, 5, 6]),
]


@pytest.mark.parametrize(("which", "wrong"), WHICH, ids=[str(which) for which, _ in WHICH])
def test_it_works_on_the_calls_that_are_named(bot: Bot, phone: Phone, which, wrong):
    bot.fails(do={"fault": "server_error"}, **SEND, **which)
    assert [n for n in range(1, 7) if outcome(bot, phone) == "502"] == wrong


def test_chance_comes_from_the_seed(simulator: Simulator, bot: Bot, phone: Phone):
    def tries() -> list[str]:
        rule = {"id": "by_chance", "on": {"bot": bot.name}, "probability": 0.5, "do": {"fault": "server_error"}}
        simulator.control("POST", "/faults", rule)
        return [outcome(bot, phone) for _ in range(30)]

    first = tries()
    assert Counter(first).keys() == {"200", "502"}
    assert tries() == first
    simulator.control("PUT", "/seed", {"seed": 2})
    assert tries() != first
    simulator.control("PUT", "/seed", {"seed": 1})
    assert tries() == first
    simulator.control("DELETE", "/faults/by_chance")


def test_it_works_on_the_bot_chat_and_method_that_are_named_only(simulator: Simulator, bot: Bot, phone: Phone):
    other, clara = simulator.bot(), simulator.phone("Clara")
    for one in (phone, clara):
        one.write(other, "/start")
    clara.write(bot, "/start")
    bot.fails(on={"method": "sendMessage", "chat": phone.id}, do={"fault": "server_error"})
    assert outcome(bot, phone) == "502"
    assert outcome(bot, clara) == "200"
    assert outcome(other, phone) == "200"
    assert bot.ask("sendChatAction", chat_id=phone.id, action="typing").status_code == 200


def test_a_fault_stands_in_the_log_beside_its_call(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "cut", "when": "after"}, **SEND)
    outcome(bot, phone)
    call = next(one for one in bot.log("received") if one["method"] == "sendMessage")
    answered = next(one for one in bot.simulator.log(call["n"], what="answered") if one["call"] == call["n"])
    assert (answered["fault"], answered["manner"]) == ("cut", "cut after 0 bytes")


BAD = [
    ({"do": {"fault": "nonsense"}}, "fault"),
    ({"do": {"fault": "slow"}}, "seconds"),
    ({"do": {"fault": "slow", "seconds": -1}}, "seconds"),
    ({"do": {"fault": "server_error", "status": 200}}, "status"),
    ({"do": {"fault": "delay", "seconds": 1}, "on": {"method": "sendMessage"}}, "on.update"),
    ({"do": {"fault": "cut"}, "on": {"update": "message"}}, "on.method"),
    ({"do": {"fault": "cut"}, "sometimes": True}, "sometimes"),
    ({"do": {"fault": "cut"}, "nth": 0}, "nth"),
    ({"do": {"fault": "cut"}, "id": "a b"}, "id"),
]


@pytest.mark.parametrize(("rule", "named"), BAD, ids=[str(rule) for rule, _ in BAD])
def test_a_rule_that_makes_no_sense_is_refused_and_says_why(simulator: Simulator, rule, named):
    answer = simulator.client.post("/control/faults", json={"id": "bad", **rule})
    assert answer.status_code == 422
    assert named in answer.text


def test_an_update_comes_twice_by_webhook(bot: Bot, phone: Phone, receiver: Receiver):
    bot.fails(on={"update": "message"}, nth=1, do={"fault": "duplicate", "copies": 2})
    phone.write(bot, "a")
    phone.write(bot, "b")
    receiver.wait(4)
    assert receiver.texts() == ["a", "a", "a", "b"]
    assert len(set(ids(receiver.posts))) == 2


def test_an_update_comes_twice_by_polling(bot: Bot, phone: Phone):
    bot.fails(nth=1, do={"fault": "duplicate"})
    phone.write(bot, "a")
    phone.write(bot, "b")
    first = bot.updates()
    assert texts(first) == ["a", "b"]
    assert texts(bot.updates(offset=first[-1]["update_id"] + 1)) == ["a"], "after it was confirmed"
    assert bot.updates(offset=first[-1]["update_id"] + 1) == []


def test_an_update_comes_late_and_those_behind_it_wait(simulator: Simulator, bot: Bot, phone: Phone):
    clara = simulator.phone("Clara")
    bot.fails(on={"chat": phone.id}, nth=1, do={"fault": "delay", "seconds": 6})
    phone.write(bot, "late")
    phone.write(bot, "behind it")
    clara.write(bot, "another chat")
    last = until(lambda: len(found := bot.pending(timeout=1)) == 3 and found)
    assert texts(last) == ["another chat", "late", "behind it"]


def test_updates_come_together(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "batch", "size": 3, "seconds": 600})
    phone.write(bot, "a")
    phone.write(bot, "b")
    assert bot.pending() == []
    phone.write(bot, "c")
    assert texts(until(lambda: bot.pending(timeout=5))) == ["a", "b", "c"]


def test_updates_that_stay_too_few_come_in_the_end(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "batch", "size": 3, "seconds": 0.2})
    phone.write(bot, "a")
    assert texts(bot.pending(timeout=5)) == ["a"]


def test_updates_come_in_another_order_by_polling(bot: Bot, phone: Phone):
    bot.fails(do={"fault": "reorder", "size": 8, "seconds": 600})
    for letter in "abcdefgh":
        phone.write(bot, letter)
    found = until(lambda: bot.pending(timeout=5))
    assert sorted(texts(found)) == list("abcdefgh")
    assert texts(found) != list("abcdefgh")


def test_updates_come_in_another_order_by_webhook(bot: Bot, phone: Phone, receiver: Receiver):
    bot.fails(do={"fault": "reorder", "size": 8, "seconds": 600})
    for letter in "abcdefgh":
        phone.write(bot, letter)
    receiver.wait(8)
    assert sorted(receiver.texts()) == list("abcdefgh")
    assert receiver.texts() != list("abcdefgh")
    assert len(set(ids(receiver.posts))) == 8


def test_a_bad_signature_comes_before_the_right_one(bot: Bot, phone: Phone, receiver: Receiver):
    receiver.answers = lambda *_: 200 if receiver.secrets[-1] == "right" else 401
    bot.fails(nth=1, do={"fault": "bad_signature", "posts": 2})
    phone.write(bot, "hello")
    receiver.wait(3)
    assert receiver.secrets == ["forged", "forged", "right"]
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 0)
    assert [one["secret"] for one in bot.log("posted")] == ["wrong", "wrong", "right"]
