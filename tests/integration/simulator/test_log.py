"""The log: everything received and sent, in order, queryable, streamed, and there after a kill."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest
from tests.forking.processes import COMMAND, finished
from tests.integration.simulator.receiver import Receiver
from tests.integration.simulator.world import DEADLINE, Bot, Phone, Simulator, simulating, until

from chat4all_simulator import app as web
from chat4all_simulator import process
from chat4all_simulator.settings import SimulatorSettings


@pytest.fixture
def own(tmp_path):
    """A simulator that a test can kill."""
    with simulating(tmp_path / "data", CHAT4ALL_SIMULATOR__RETRY_SECONDS="0.05") as running:
        yield running


def test_entries_are_numbered_from_one_without_gaps(own: Simulator):
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "/start")
    bot.call("sendMessage", chat_id=phone.id, text="hello")
    entries = own.log()
    assert [one["n"] for one in entries] == list(range(1, len(entries) + 1))
    assert [one["at"] for one in entries] == sorted(one["at"] for one in entries)


def test_a_call_and_its_answer_stand_there_with_their_line(bot: Bot, phone: Phone):
    result = bot.call("sendMessage", chat_id=phone.id, text="hello")
    call = bot.log("received")[-1]
    assert (call["method"], call["chat"], call["verb"]) == ("sendMessage", phone.id, "POST")
    assert call["parameters"] == {"chat_id": str(phone.id), "text": "hello"}
    assert call["connection"]
    after = bot.simulator.log(call["n"])
    assert [one["what"] for one in after[:2]] == ["message", "answered"]
    assert (after[1]["call"], after[1]["status"]) == (call["n"], 200)
    assert after[1]["body"] == {"ok": True, "result": result}


def test_it_can_be_asked_for_parts(simulator: Simulator, bot: Bot, phone: Phone):
    bot.call("sendMessage", chat_id=phone.id, text="a")
    bot.call("getMe")
    other = simulator.bot()
    other.call("getMe")
    assert {one["bot"] for one in simulator.log(bot=bot.name)} == {bot.name}
    found = [(one["what"], one["method"]) for one in simulator.log(bot=bot.name, method="getMe")]
    assert found == [("received", "getMe"), ("answered", "getMe")]
    assert {one["what"] for one in simulator.log(what=["received", "posted"])} == {"received"}
    assert {one["chat"] for one in simulator.log(chat=phone.id)} == {phone.id}
    last = simulator.log()[-1]["n"]
    assert simulator.log(last) == []
    assert [one["n"] for one in simulator.log(last - 3)] == [last - 2, last - 1, last]


def test_pages_are_bounded_and_go_on(simulator: Simulator, bot: Bot):
    for _ in range(5):
        bot.call("getMe")
    wanted = {"bot": bot.name, "what": "received"}
    seen, after = [], 0
    while True:
        page = simulator.client.get("/control/log", params={"after": after, "limit": 2, **wanted}).json()
        seen += page["entries"]
        if not page["entries"]:
            break
        assert len(page["entries"]) <= 2
        after = page["next"]
    assert len(seen) == 5


BAD = [{"after": -1}, {"after": "x"}, {"limit": 0}, {"limit": 10_001}, {"chat": "bruno"}]


@pytest.mark.parametrize("wrong", BAD, ids=str)
def test_a_question_that_makes_no_sense_is_refused(simulator: Simulator, wrong):
    answer = simulator.client.get("/control/log", params=wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.text


def test_it_streams_what_was_and_what_comes(simulator: Simulator, bot: Bot):
    bot.call("getMe")
    begun = bot.log("received")[-1]["n"]
    got: list[dict[str, Any]] = []
    params = {"after": begun - 1, "bot": bot.name, "method": "getMe", "what": "received"}

    def read() -> None:
        with httpx.stream("GET", f"{simulator.url}/control/log/stream", params=params, timeout=DEADLINE) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    got.append(json.loads(line[6:]))
                if len(got) == 3:
                    return

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: got, "what was")
    bot.call("getMe")
    bot.call("getMe")
    reading.join(DEADLINE)
    numbers = [one["n"] for one in got]
    assert len(numbers) == 3
    assert numbers[0] == begun
    assert numbers == sorted(numbers)


def test_everything_is_there_after_a_kill(own: Simulator):
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "/start")
    group = phone.group()
    own.control("POST", f"/telegram/groups/{group}/members", {"user": bot.name, "by": phone.name})
    sent = bot.call("sendMessage", chat_id=phone.id, text="hello")
    bot.call("editMessageText", chat_id=phone.id, message_id=sent["message_id"], text="hello!")
    bot.call(
        "deleteMessage", chat_id=phone.id, message_id=bot.call("sendMessage", chat_id=phone.id, text="x")["message_id"]
    )
    bot.fails(id="kept", on={"method": "getMe"}, nth=3, do={"fault": "server_error"})
    assert bot.ask("getMe").status_code == 200
    bot.updates(offset=bot.updates()[0]["update_id"] + 1, allowed_updates=["message"])
    before = (own.log()[-1]["n"], phone.shows(bot), bot.pending(), own.control("GET", "/telegram/groups"))
    port = own.port
    own.kill()
    own.start(port)
    after = (phone.shows(bot), bot.pending(), own.control("GET", "/telegram/groups"))
    assert after == before[1:]
    assert own.log(before[0])[0]["n"] == before[0] + 1, "the log goes on where it was"
    assert [bot.ask("getMe").status_code for _ in range(2)] == [200, 502], "the third call in all"
    info = bot.call("getWebhookInfo")
    assert info["allowed_updates"] == ["message"]
    assert phone.write(bot, "next")["message_id"] == 4


def test_a_webhook_goes_on_after_a_kill(own: Simulator):
    bot, phone = own.bot(), own.phone()
    receiver = Receiver(lambda *_: 500)
    bot.call("setWebhook", url=receiver.url, secret_token="s3cret")
    phone.write(bot, "kept")
    receiver.wait(1)
    own.kill()
    receiver.answers = lambda *_: 200
    count = len(receiver.posts)
    own.start(own.port)
    receiver.wait(count + 1)
    assert receiver.texts()[-1] == "kept"
    assert receiver.secrets[-1] == "s3cret"
    until(lambda: bot.call("getWebhookInfo")["pending_update_count"] == 0)
    receiver.close()


def test_what_was_held_back_comes_after_a_kill(own: Simulator):
    bot, phone = own.bot(), own.phone()
    bot.fails(do={"fault": "delay", "seconds": 600})
    phone.write(bot, "late")
    assert bot.pending() == []
    own.kill()
    own.start(own.port)
    assert [one["message"]["text"] for one in bot.pending()] == ["late"]


def test_an_answer_is_in_the_log_before_it_leaves(own: Simulator):
    """Killed again and again under load: what a client was told is there, with the same message id."""
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "/start")
    told: dict[str, int] = {}
    for turn in range(5):
        stop = threading.Event()

        def send(turn=turn, stop=stop) -> None:
            for number in range(100_000):
                if stop.is_set():
                    return
                text = f"{turn}.{number}"
                try:
                    answer = httpx.post(
                        f"{own.url}{bot.path}/sendMessage", json={"chat_id": phone.id, "text": text}, timeout=DEADLINE
                    )
                except httpx.HTTPError:
                    return
                told[text] = answer.json()["result"]["message_id"]

        sending = threading.Thread(target=send)
        sending.start()
        wanted = len(told) + 20
        until(lambda wanted=wanted: len(told) >= wanted)
        port = own.port
        own.kill()
        stop.set()
        sending.join(DEADLINE)
        own.start(port)
    shown = {one["text"]: one["message_id"] for one in phone.shows(bot)}
    assert told.items() <= shown.items()
    assert len(shown) - len(told) <= 1 + 5, "what was made and not told: at most one a kill, and /start"


async def test_an_answer_of_the_control_api_is_in_the_log_before_it_leaves(tmp_path):
    simulator = process.Simulator(SimulatorSettings(data=tmp_path))
    app = web.build(simulator.providers, simulator.journal, simulator.script, simulator.clock, ["*"])
    written: list[str] = []

    async def watched(scope, receive, send) -> None:
        async def look(message) -> None:
            written.append(simulator.journal.path.read_text())
            await send(message)

        await app(scope, receive, look)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(watched), base_url="http://control") as client:
        assert (await client.put("/control/telegram/bots/a_bot", json={})).status_code == 200
    simulator.journal.close()
    assert "a_bot" in written[0]


def test_a_line_that_a_kill_cut_is_cut_off(own: Simulator):
    bot = own.bot()
    port, last = own.port, own.log()[-1]["n"]
    own.kill()
    with (own.data / "log.jsonl").open("ab") as file:
        file.write(b'{"n":999999,"what":"message","half')
    own.start(port)
    assert bot.call("getMe")["id"] == bot.id
    assert own.log(last)[0]["what"] == "started"


def test_no_token_and_no_secret_is_in_the_log(own: Simulator):
    bot, phone = own.bot(), own.phone()
    phone.write(bot, "/start")
    bot.call("setWebhook", url="http://127.0.0.1:9/x", secret_token="very_secret")
    own.client.get(f"/bot{bot.token}/nonsense")
    own.stop()
    text = (own.data / "log.jsonl").read_text()
    assert bot.token.partition(":")[2] not in text
    assert "very_secret" not in text
    assert (own.data / "log.jsonl").stat().st_mode & 0o077 == 0
    assert (own.data / "telegram.json").stat().st_mode & 0o077 == 0


def test_a_full_disk_ends_it_with_a_reason_and_no_answer(tmp_path):
    """The file may grow to 64 KiB only, which the kernel refuses to go beyond as a full disk does."""
    data = tmp_path / "data"
    code = "import resource, sys, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
    code += "sys.argv[1:] = ['simulator', '--json', '--port', '0', '--data', sys.argv[1]]; "
    code += "from chat4all.cli.app import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["url"]
        try:
            made = httpx.put(f"{url}/control/telegram/bots/full_bot", json={}, timeout=DEADLINE).json()
            answered = 0
            with contextlib.suppress(httpx.HTTPError):
                while answered < 10_000:
                    httpx.post(f"{url}/bot{made['token']}/getMe", json={"text": "x" * 1000}, timeout=DEADLINE)
                    answered += 1
            assert process.wait(DEADLINE) == 1
            said = process.stderr.read().decode()
        finally:
            process.kill()
    assert "could not be written" in said
    assert str(data) in said
    lines = (data / "log.jsonl").read_bytes().split(b"\n")
    assert sum(b'"answered"' in line for line in lines) >= answered


def test_two_on_one_folder_are_refused(own: Simulator):
    done = finished([*COMMAND, "simulator", "--port", "0", "--data", str(own.data)], text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert "Another simulator runs on" in done.stderr


def test_a_port_that_is_taken_is_told(own: Simulator, tmp_path):
    command = [*COMMAND, "simulator", "--port", str(own.port), "--data", str(tmp_path / "x")]
    done = finished(command, text=True, timeout=DEADLINE)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{own.port}" in done.stderr


def test_it_stops_when_told_and_fresh_forgets(tmp_path):
    with simulating(tmp_path / "data") as running:
        bot = running.bot("first_bot")
        running.phone().write(bot, "/start")
        assert running.stop() == 0
        running._options = ("--fresh",)
        running.start()
        assert running.control("GET", "/telegram/bots") == []
