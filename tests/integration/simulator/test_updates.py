"""How updates come to a bot: by polling and by webhook, in order, once, and again until they are taken."""

import concurrent.futures
import time

import pytest
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.world import Bot, Phone, Simulator, until

SET = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


@pytest.fixture
def receive():
    """Make a receiver of the test's own."""
    made: list[Receiver] = []

    def make(*answers, **headers) -> Receiver:
        made.append(Receiver(*answers, **headers))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def meanwhile():
    """Run something beside the test."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield pool.submit


def ids(updates) -> list[int]:
    return [one["update_id"] for one in updates]


def texts(updates) -> list[str]:
    return [one["message"]["text"] for one in updates]


def polls(bot: Bot, timeout: int) -> bool:
    """Whether a poll with this timeout, by which a test knows it, has come to the simulator."""
    return any(one["parameters"].get("timeout") == str(timeout) for one in bot.log("received"))


def test_an_offset_confirms_what_is_below_it_and_nothing_else_does(bot: Bot, phone: Phone):
    for text in "abc":
        phone.write(bot, text)
    first = bot.updates()
    assert texts(first) == ["a", "b", "c"]
    assert ids(first) == list(range(first[0]["update_id"], first[0]["update_id"] + 3))
    rest = bot.updates(offset=first[1]["update_id"])
    assert texts(rest) == ["b", "c"]
    assert texts(bot.updates()) == ["b", "c"], "a is gone"
    assert texts(bot.updates(offset=-1)) == ["c"]
    assert texts(bot.updates()) == ["c"], "a negative offset forgets what is before"


def test_who_asks_again_at_once_from_one_offset_is_slowed_down(bot: Bot, phone: Phone):
    for text in "abc":
        phone.write(bot, text)
    assert texts(bot.updates()) == ["a", "b", "c"]

    def one_at_a_time() -> bool:
        bot.updates()
        return texts(bot.updates()) == ["a"]

    until(one_at_a_time)  # a slow machine may have to try again, until it asks twice in half a second
    last = bot.updates(offset=-1)[0]["update_id"]

    def waits_though_it_asked_not_to() -> bool:
        assert bot.updates(offset=last + 1) == []
        began = time.monotonic()
        assert bot.updates(offset=last + 1) == []
        return time.monotonic() - began > 2

    until(waits_though_it_asked_not_to)  # here twice in three seconds


def test_an_offset_far_ahead_confirms_nothing(bot: Bot, phone: Phone):
    phone.write(bot, "here")
    last = bot.updates()[-1]["update_id"]
    assert texts(bot.updates(offset=last + 100)) == ["here"]
    assert texts(bot.updates()) == ["here"]


def test_a_limit_bounds_an_answer(bot: Bot, phone: Phone):
    for number in range(5):
        phone.write(bot, str(number))
    start = bot.updates()[0]["update_id"]
    assert texts(bot.updates(offset=start, limit=2, timeout=5)) == ["0", "1"]
    assert texts(bot.updates(offset=start + 2, limit=2)) == ["2", "3"]


def test_a_long_poll_is_answered_when_something_comes(bot: Bot, phone: Phone, meanwhile):
    poll = meanwhile(bot.updates, timeout=50)
    until(lambda: polls(bot, 50))
    phone.write(bot, "now")
    assert texts(poll.result(45)) == ["now"], "before the poll would have ended by itself"


def test_a_long_poll_without_anything_is_answered_empty_in_time(bot: Bot, phone: Phone):
    assert bot.updates(timeout=1) == []


def test_a_second_poller_ends_the_first(bot: Bot, phone: Phone, meanwhile):
    first = meanwhile(bot.ask, "getUpdates", timeout=49)
    until(lambda: polls(bot, 49))
    second = meanwhile(bot.ask, "getUpdates", timeout=50)
    refused = first.result()
    assert (refused.status_code, refused.json()["error_code"], refused.json()["description"]) == (409, 409, OTHER)
    phone.write(bot, "for the second")
    assert texts(second.result().json()["result"]) == ["for the second"]


def test_a_webhook_ends_a_poll_and_refuses_others(bot: Bot, phone: Phone, meanwhile, receive):
    poll = meanwhile(bot.ask, "getUpdates", timeout=49)
    until(lambda: polls(bot, 49))
    bot.call("setWebhook", url=receive().url)
    assert poll.result().json()["description"] == "Conflict: terminated by setWebhook request"
    assert (bot.ask("getUpdates").status_code, bot.ask("getUpdates").json()["description"]) == (409, SET)
    bot.call("deleteWebhook")
    phone.write(bot, "again")
    assert texts(bot.updates()) == ["again"]


KINDS = [
    (["message"], ["message"]),
    (["edited_message"], ["edited_message"]),
    ([], ["message", "edited_message", "my_chat_member"]),
    (["nonsense"], ["message", "edited_message", "my_chat_member"]),
    (["My_Chat_Member", "callback_query"], ["my_chat_member"]),
]


@pytest.mark.parametrize(("allowed", "kinds"), KINDS, ids=[str(allowed) for allowed, _ in KINDS])
def test_only_kinds_that_are_asked_for_come(bot: Bot, phone: Phone, allowed, kinds):
    bot.updates(allowed_updates=allowed)
    message = phone.write(bot, "hello")
    phone.edit(bot, message["message_id"], "hello!")
    phone.block(bot)
    assert [next(kind for kind in one if kind != "update_id") for one in bot.updates(offset=1, timeout=5)] == kinds


def test_updates_older_than_a_day_are_gone(simulator: Simulator, bot: Bot, phone: Phone):
    phone.write(bot, "yesterday")
    ahead = simulator.client.get("/control").json()["ahead"]
    simulator.control("PUT", "/clock", {"ahead": ahead + 86_500})
    phone.write(bot, "today")
    assert texts(bot.updates()) == ["today"]


def test_a_webhook_gets_each_update_once_in_order_with_its_secret(bot: Bot, phone: Phone, receive):
    phone.write(bot, "before it was set")
    receiver = receive()
    bot.call("setWebhook", url=receiver.url, secret_token="s3cret_-A")
    for number in range(20):
        phone.write(bot, str(number))
    receiver.wait(21)
    assert receiver.texts() == ["before it was set", *map(str, range(20))]
    assert ids(receiver.posts) == sorted(ids(receiver.posts))
    assert set(receiver.secrets) == {"s3cret_-A"}
    assert receiver.headers[0]["Content-Type"] == "application/json"
    info = until(lambda: (told := bot.call("getWebhookInfo"))["pending_update_count"] == 0 and told)
    assert info["url"] == receiver.url
    assert "last_error_message" not in info
    assert not [one for one in bot.log() if "s3cret" in str(one)], "the secret is in no log"


def test_a_webhook_that_fails_is_tried_again_and_keeps_the_order_of_its_chat(bot: Bot, phone: Phone, receive):
    receiver = receive(lambda update, times: 200 if times >= 4 else 500)
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "first")
    phone.write(bot, "second")
    receiver.wait(8)
    assert receiver.texts() == ["first"] * 4 + ["second"] * 4
    info = bot.call("getWebhookInfo")
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    assert info["last_error_date"] > 0


def test_one_chat_that_fails_does_not_hold_up_another(simulator: Simulator, bot: Bot, phone: Phone, receive):
    other = simulator.phone("Clara")
    receiver = receive(lambda update, _: 500 if update["message"]["text"] == "stuck" else 200)
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "stuck")
    other.write(bot, "flows")
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 1)
    assert "flows" in receiver.texts()


FAILURES = [
    (lambda *_: 503, "Wrong response from the webhook: 503 Service Unavailable"),
    (lambda *_: 302, "Wrong response from the webhook: 302 Found"),
    (lambda *_: 404, "Wrong response from the webhook: 404 Not Found"),
]


@pytest.mark.parametrize(("answers", "said"), FAILURES, ids=[said for _, said in FAILURES])
def test_webhook_info_says_what_went_wrong_and_how_many_wait(bot: Bot, phone: Phone, receive, answers, said):
    receiver = receive(answers)
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "one")
    phone.write(bot, "two")
    info = until(lambda: (told := bot.call("getWebhookInfo")).get("last_error_message") and told)
    assert (info["last_error_message"], info["pending_update_count"]) == (said, 2)


def test_nobody_behind_a_webhook_is_said_too(bot: Bot, phone: Phone, receive):
    receiver = receive()
    receiver.close()
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "hello?")
    info = until(lambda: (told := bot.call("getWebhookInfo")).get("last_error_message") and told)
    assert info["last_error_message"] == "Connection refused"


def test_a_webhook_that_closes_without_an_answer_is_tried_again(bot: Bot, phone: Phone, receive):
    receiver = receive(lambda _, times: 200 if times > 1 else 0)
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "hello")
    receiver.wait(2)
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 0)


def test_retry_after_of_a_webhook_is_obeyed(bot: Bot, phone: Phone, receive):
    receiver = receive(lambda _, times: 200 if times > 1 else 429, **{"Retry-After": "1"})
    bot.call("setWebhook", url=receiver.url)
    phone.write(bot, "hello")
    receiver.wait(2)
    assert receiver.at[1] - receiver.at[0] > 0.9


def test_no_more_connections_than_asked_for(simulator: Simulator, bot: Bot, receive):
    def slowly(*_) -> int:
        time.sleep(0.02)
        return 200

    receiver = receive(slowly)
    bot.call("setWebhook", url=receiver.url, max_connections=2)
    for name in ("Ana", "Bela", "Caio", "Davi", "Eva"):
        simulator.phone(name).write(bot, "hello")
    receiver.wait(5)
    assert receiver.most <= 2


def test_dropping_pending_updates_forgets_them(bot: Bot, phone: Phone, receive):
    phone.write(bot, "old")
    receiver = receive()
    bot.call("setWebhook", url=receiver.url, drop_pending_updates=True)
    phone.write(bot, "new")
    receiver.wait(1)
    assert receiver.texts() == ["new"]
