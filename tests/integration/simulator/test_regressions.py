"""What was wrong once: hostile receivers, floods, damaged files, tokens in the wrong place."""

import concurrent.futures
import json
import socket
import subprocess
import threading
from typing import Any

import httpx
import pytest
from tests.forking.processes import COMMAND, finished
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.test_faults import outcome, raw
from tests.integration.simulator.test_updates import texts
from tests.integration.simulator.world import DEADLINE, Bot, Phone, Simulator, simulating, until


@pytest.fixture
def own(tmp_path):
    with simulating(tmp_path / "data", CHAT4ALL_SIMULATOR__RETRY_SECONDS="0.05") as running:
        yield running


@pytest.fixture
def receive(bot: Bot):
    """Make receivers, the bot's webhook each in turn."""
    made: list[Receiver] = []

    def make(*answers, secret="", **headers) -> Receiver:
        made.append(Receiver(*answers, **headers))
        given = {"url": made[-1].url, "secret_token": secret}
        until(lambda: bot.ask("setWebhook", **given).status_code == 200)  # Telegram takes one a second
        return made[-1]

    yield make
    for one in made:
        one.close()


# -- receivers


@pytest.mark.parametrize("asked", ["9" * 400, "-5", "0", "soon", "1.5", "\u0662"])
def test_a_receiver_that_asks_for_absurd_waits_does_not_end_the_posting(bot: Bot, phone: Phone, receive, asked):
    receiver = receive(
        lambda update, times: 500 if times == 1 else 200, **{"Retry-After": asked.encode("utf-8").decode("latin-1")}
    )
    phone.write(bot, "hello")
    if asked == "9" * 400:  # an hour, as the most that can be asked for
        until(lambda: bot.log("post_answered"))
        assert bot.call("getWebhookInfo")["pending_update_count"] == 1
        return
    receiver.wait(2)
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 0)


def test_one_that_asks_for_no_wait_is_not_flooded(bot: Bot, phone: Phone, receive):
    receiver = receive(lambda *_: 503, **{"Retry-After": "0"})
    phone.write(bot, "hello")
    receiver.wait(4)
    gaps = [b - a for a, b in zip(receiver.at, receiver.at[1:], strict=False)]
    assert gaps[-1] > 0.05, gaps


def test_receivers_do_not_get_each_other_s_cookies(simulator: Simulator, bot: Bot, phone: Phone, receive):
    first = receive(**{"Set-Cookie": "sid=of-the-first"})
    phone.write(bot, "hello")
    first.wait(1)
    second = receive(**{"Set-Cookie": "bad=\xff\xff"})
    phone.write(bot, "hello")
    second.wait(1)
    phone.write(bot, "again")
    second.wait(2)
    assert [one.get("Cookie") for one in second.headers] == [None, None]


def test_an_endless_answer_is_not_read_to_its_end(bot: Bot, phone: Phone):
    listening = socket.create_server(("127.0.0.1", 0))

    def flood() -> None:
        line, _ = listening.accept()
        with line:
            line.recv(65_536)
            try:
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                for _ in range(10_000):
                    line.sendall(b"x" * 65_536)
            except OSError:
                return

    flooding = threading.Thread(target=flood)
    flooding.start()
    bot.call("setWebhook", url=f"http://127.0.0.1:{listening.getsockname()[1]}/")
    phone.write(bot, "hello")
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 0)
    flooding.join(DEADLINE)
    listening.close()
    bot.call("deleteWebhook")


@pytest.mark.parametrize("url", ["http://xn--/", "http://local\nhost/", "http://127.0.0.1:1/\x00", "http://\u00fc/"])
def test_what_cannot_be_posted_to_is_no_url(bot: Bot, url):
    answer = bot.ask("setWebhook", url=url)
    assert (answer.status_code, answer.json()["description"]) == (400, "Bad Request: invalid webhook URL specified")


def test_a_host_that_is_not_found_is_said(bot: Bot, phone: Phone):
    bot.call("setWebhook", url="http://no-such-host.invalid/")
    phone.write(bot, "hello")
    info = until(lambda: (told := bot.call("getWebhookInfo")).get("last_error_message") and told)
    assert info["last_error_message"] == "Failed to resolve host"


def test_a_url_without_a_scheme_is_https(bot: Bot, phone: Phone, receive):
    receiver = receive()
    bare = receiver.url.removeprefix("http://")
    until(lambda: bot.ask("setWebhook", url=bare).status_code == 200)  # Telegram takes one a second
    phone.write(bot, "hello")
    info = until(lambda: (told := bot.call("getWebhookInfo")).get("last_error_message") and told)
    assert info["url"] == bare
    assert "SSL" in info["last_error_message"]


def test_a_forged_post_that_is_taken_is_no_delivery(bot: Bot, phone: Phone, receive):
    receiver = receive(secret="right")
    bot.fails(nth=1, do={"fault": "bad_signature", "posts": 2})
    phone.write(bot, "hello")
    receiver.wait(3)
    assert receiver.secrets == ["forged", "forged", "right"]


def test_a_receiver_that_is_away_does_not_use_up_the_forged_posts(bot: Bot, phone: Phone, receive):
    receiver = receive(lambda _, times: 0 if times <= 2 else 200, secret="right")
    bot.fails(nth=1, do={"fault": "bad_signature", "posts": 1})
    phone.write(bot, "hello")
    receiver.wait(4)
    assert receiver.secrets == ["forged", "forged", "forged", "right"]


# -- updates


def test_copies_come_once_whatever_restarts(own: Simulator):
    bot, phone = own.bot(), own.phone()
    bot.fails(nth=1, do={"fault": "duplicate", "copies": 2})
    phone.write(bot, "twice more")
    last = bot.pending()[-1]["update_id"] + 1
    assert len(bot.updates(offset=last)) == 2
    for _ in range(2):
        own.kill()
        own.start(own.port)
        assert bot.updates(offset=last, limit=50) == []


def test_copies_wait_are_counted_and_can_be_dropped(own: Simulator):
    bot, phone = own.bot(), own.phone()
    bot.fails(nth=1, do={"fault": "duplicate", "copies": 2})
    phone.write(bot, "twice more")
    last = bot.pending()[-1]["update_id"] + 1
    assert len(bot.updates(offset=last, limit=1)) == 1
    assert bot.call("getWebhookInfo")["pending_update_count"] == 1
    bot.call("deleteWebhook", drop_pending_updates=True)
    assert bot.call("getWebhookInfo")["pending_update_count"] == 0


def test_the_order_of_what_is_reordered_is_the_seed_s(own: Simulator):
    orders: list[list[str]] = []
    for seed in (7, 7, 8):
        own.control("PUT", "/seed", {"seed": seed})
        bot = own.bot(f"fresh_bot_{len(orders)}", token=f"7{len(orders)}000:{'A' * 30}")
        phone = own.phone()
        bot.fails(id="r", do={"fault": "reorder", "size": 8})
        for letter in "abcdefgh":
            phone.write(bot, letter)
        found = until(lambda bot=bot: bot.pending(timeout=5))
        assert texts(bot.pending()) == texts(found), "asked again it is the same"
        orders.append(texts(found))
    assert all(sorted(one) == list("abcdefgh") != one for one in orders)


def test_updates_of_yesterday_are_not_counted(own: Simulator):
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "yesterday")
    own.control("PUT", "/clock", {"ahead": 90_000})
    assert bot.call("getWebhookInfo")["pending_update_count"] == 0


def test_asking_for_the_same_kinds_again_fills_no_log(bot: Bot):
    before = len(bot.simulator.log(what="allowed_updates"))
    for offset in range(5):
        bot.updates(offset=offset, allowed_updates=["message"])
    assert len(bot.simulator.log(what="allowed_updates")) == before + 1


# -- calls


def test_a_bot_s_old_token_is_no_good_any_more(own: Simulator):
    bot = own.bot("renewed_bot")
    assert bot.ask("getMe").status_code == 200
    own.control("PUT", "/telegram/bots/renewed_bot", {"token": f"{bot.id}:{'B' * 35}"})
    assert bot.ask("getMe").status_code == 401


def test_bots_that_are_made_at_once_are_all_there(own: Simulator):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda n: own.bot(f"one_of_{n:02}"), range(20)))
    assert len({one.id for one in made}) == 20
    assert all(one.ask("getMe").status_code == 200 for one in made)


NESTED = "[" * 100_000
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("sendMessage", {"chat_id": "<chat>", "text": "x", "reply_parameters": NESTED}),
    ("sendMessage", {"chat_id": "<chat>", "text": "x", "entities": NESTED}),
    ("sendMessage", {"chat_id": "<chat>", "text": "x", "reply_markup": "\ud83d"}),
    ("sendMessage", {"chat_id": "<chat>", "text": "x", "\ud83d": "y"}),
    ("setMessageReaction", {"chat_id": "<chat>", "message_id": 1, "reaction": NESTED}),
    ("getUpdates", {"allowed_updates": NESTED}),
    ("getUpdates", {"allowed_updates": '["\ud83d"]'}),
    ("setWebhook", {"url": "http://127.0.0.1:9/\ud83d"}),
    ("setWebhook", {"url": "http://127.0.0.1:9/", "secret_token": "\ud83d"}),
    ("deleteMessages", {"chat_id": "<chat>", "message_ids": NESTED}),
]


@pytest.mark.parametrize(("method", "given"), HOSTILE, ids=[f"{m} {list(g)[-1]!a}" for m, g in HOSTILE])
def test_what_is_nested_too_deep_or_no_text_is_answered(bot: Bot, phone: Phone, method, given):
    body = json.dumps({name: phone.id if value == "<chat>" else value for name, value in given.items()})
    headers = {"Content-Type": "application/json"}
    answer = bot.simulator.client.post(f"{bot.path}/{method}", content=body, headers=headers)
    assert answer.status_code in {200, 400}
    assert bot.log("answered")[-1]["status"] == answer.status_code


BUTTONS = {"inline_keyboard": [[{"text": "x", "url": "u"}] * 10_000]}
BOLDS = [{"type": "bold", "offset": 2 * n, "length": 1} for n in range(15_000)]
FLOODS: list[tuple[str, str | dict[str, Any]]] = [
    ("a list that breaks", '{"a":[' + "1," * 250_000),
    ("many names", {f"n{n}": 1 for n in range(50_000)}),
    ("many buttons", {"text": "x", "reply_markup": BUTTONS}),
    ("many entities", {"text": "x" * 32_000, "entities": BOLDS}),
    ("many marks", {"text": "<b>a</b>\r" * 3_500, "parse_mode": "HTML"}),
    ("many links", {"text": "[]" * 8_000, "parse_mode": "Markdown"}),
    ("many spans", {"text": "*a*" * 8_000, "parse_mode": "MarkdownV2"}),
]


@pytest.mark.parametrize("body", [one[1] for one in FLOODS], ids=[one[0] for one in FLOODS])
def test_no_body_keeps_the_others_waiting(bot: Bot, phone: Phone, body):
    body = body if isinstance(body, str) else json.dumps({"chat_id": phone.id, **body})
    given = {"content": body, "headers": {"Content-Type": "application/json"}, "timeout": DEADLINE}  # it takes a second
    assert bot.simulator.client.post(f"{bot.path}/sendMessage", **given).status_code in {200, 400, 413}


def test_a_call_that_is_refused_takes_no_turn(own: Simulator):
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "/start")
    own.control("PUT", "/telegram/limits", {})
    assert bot.ask("sendMessage", chat_id=phone.id, text=" ").status_code == 400
    assert bot.ask("sendMessage", chat_id=phone.id, text="x").status_code == 200


def impatient(bot: Bot, phone: Phone) -> None:
    """Send something, and give up once it is there."""
    before = len(sent(bot))
    with raw(bot, phone):
        until(lambda: len(sent(bot)) > before)


def sent(bot: Bot) -> list[dict[str, Any]]:
    return [one for one in bot.log("received") if one["method"] == "sendMessage"]


def test_what_is_slow_is_done_though_the_client_has_given_up(bot: Bot, phone: Phone):
    bot.fails(on={"method": "sendMessage"}, do={"fault": "slow", "seconds": 0.5, "when": "before"})
    impatient(bot, phone)
    until(lambda: "hello" in phone.texts(bot))


def test_half_open_lines_end_when_their_clients_do(bot: Bot, phone: Phone):
    bot.fails(on={"method": "sendMessage"}, do={"fault": "half_open"})
    before = len(bot.simulator.log(what="closed"))
    for _ in range(3):
        impatient(bot, phone)
    until(lambda: len(bot.simulator.log(what="closed")) >= before + 3)


LONG = "X: " + "x" * 60_000 + "\r\nY: " + "y" * 300_000
RAW = [
    ("HTTP/2.0", "GET {path}/getMe HTTP/2.0\r\nHost: x\r\n\r\n", "505"),
    ("a head that is too long", "GET {path}/getMe HTTP/1.1\r\nHost: x\r\n" + LONG + "\r\n\r\n", "431"),
]


@pytest.mark.parametrize(("request_", "status"), [one[1:] for one in RAW], ids=[one[0] for one in RAW])
def test_http_s_own_limits(bot: Bot, request_, status):
    with socket.create_connection(("127.0.0.1", bot.simulator.port), timeout=DEADLINE) as line:
        line.sendall(request_.format(path=bot.path).encode())
        assert line.recv(100).split(b" ")[1].decode() in {status, "400"}


# -- control


WRONG = [
    ("POST", "{phone}/chats/--5/messages", {"text": "x"}, 404),
    ("POST", "{phone}/chats/\u00b2/messages", {"text": "x"}, 404),
    ("POST", "{phone}/chats/{bot}/messages", {"text": "\ud83d"}, 422),
    ("PUT", "/telegram/phones/somebody", {"first_name": "\ud83d"}, 422),
    ("POST", "/faults", {"id": "x", "do": {"fault": "slow", "seconds": float("nan")}}, 422),
    ("POST", "/faults", {"id": "x", "on": {"method": "m" * 1000}, "do": {"fault": "cut"}}, 422),
    ("POST", "/faults", {"id": "x", "nth": 2, "every": 2, "do": {"fault": "cut"}}, 422),
    ("POST", "/faults", {"id": "x", "first": 3, "last": 2, "do": {"fault": "cut"}}, 422),
    ("PUT", "/clock", {"ahead": float("inf")}, 422),
    ("POST", "/faults", {"id": "x" * 2_000_000, "do": {"fault": "cut"}}, 413),
]


@pytest.mark.parametrize("case", WRONG, ids=[f"{one[1]} {one[3]} {str(one[2])[:40]!a}" for one in WRONG])
def test_what_cannot_be_is_refused_briefly(bot: Bot, phone: Phone, case):
    verb, path, body, status = case
    path = path.format(phone=phone.path, bot=bot.name)
    headers = {"Content-Type": "application/json"}
    answer = bot.simulator.client.request(verb, f"/control{path}", content=json.dumps(body), headers=headers)
    assert answer.status_code == status
    assert len(answer.content) < 2000


def test_only_members_see_and_change_a_group(simulator: Simulator, phone: Phone):
    group, stranger = phone.group(), simulator.phone("Stranger")
    said = phone.write(group, "between us")["message_id"]
    client = simulator.client
    assert client.get(f"/control{stranger.path}/chats/{group}").status_code == 409
    assert client.delete(f"/control{stranger.path}/chats/{group}/messages/{said}").status_code == 409
    gone = f"/control/telegram/groups/{group}/members/{phone.name}"
    assert client.delete(gone, params={"by": stranger.name}).status_code == 409


# -- files


def start(data) -> subprocess.CompletedProcess[Any]:
    return finished([*COMMAND, "simulator", "--port", "0", "--data", str(data)], text=True, timeout=DEADLINE)


def test_a_damaged_line_is_named(own: Simulator):
    own.bot()
    own.kill()
    log = own.data / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:2], b"{not json}\n", *lines[2:]]))
    done = start(own.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 3" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("damage", ["removed", "broken"])
def test_lost_tokens_are_told(own: Simulator, damage):
    own.bot()
    own.kill()
    path = own.data / "telegram.json"
    path.unlink() if damage == "removed" else path.write_text("{")
    done = start(own.data)
    assert done.returncode == 1
    assert "telegram.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_token_of_a_webhook_s_url_is_in_the_log(own: Simulator):
    bot = own.bot()
    url = f"http://user:pa55word@127.0.0.1:9/bot{bot.token}/hook"
    bot.call("setWebhook", url=url)
    assert bot.call("getWebhookInfo")["url"] == url
    own.kill()
    own.start(own.port)
    assert bot.call("getWebhookInfo")["url"] == url
    own.stop()
    text = (own.data / "log.jsonl").read_text()
    assert bot.token not in text
    assert "pa55word" not in text


def test_an_open_stream_does_not_spoil_the_end(own: Simulator):
    got = threading.Event()

    def read() -> None:
        with httpx.stream("GET", f"{own.url}/control/log/stream", timeout=DEADLINE) as answer:
            for _ in answer.iter_lines():
                got.set()

    reading = threading.Thread(target=read)
    reading.start()
    assert got.wait(DEADLINE)
    assert own.stop() == 0
    reading.join(DEADLINE)
    assert (own.data.parent / "data.log").read_text() == ""


def test_it_can_listen_on_ipv6(tmp_path):
    with simulating(tmp_path / "data", CHAT4ALL_SIMULATOR__HOST="::1") as running:
        assert running.url.startswith("http://[::1]:")


def test_the_terminal_says_what_went_wrong(simulator: Simulator, bot: Bot, phone: Phone):
    def run(*more: str, typed: bytes = b"") -> subprocess.CompletedProcess[Any]:
        words = [*COMMAND, "phone", "--as", phone.name, "--simulator", simulator.url, *more]
        return finished(words, typed=typed, timeout=DEADLINE)

    none = run("--with", "no_such_bot", typed=b"hello\n")
    assert (none.returncode, b"Traceback" in none.stderr) == (1, False)
    wrong = run("--with", bot.name, typed="/reply \u00b2 hi\n/edit 99 x\n".encode() + b"\xff\xfe\n")
    assert (wrong.returncode, b"Traceback" in wrong.stderr) == (1, False)
    assert phone.texts(bot)[-2:] == ["/reply \u00b2 hi", "\ufffd\ufffd"]
    address = run("--simulator", "http://localhost:x", "--say", "x")
    assert (address.returncode, b"Traceback" in address.stderr) == (1, False)
    assert outcome(bot, phone) == "200"
