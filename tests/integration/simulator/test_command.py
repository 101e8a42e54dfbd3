"""chat4all simulator and chat4all phone, as a person runs them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from tests.forking.processes import COMMAND, begin
from tests.integration.simulator.world import DEADLINE, Bot, Phone, Simulator, simulating


@pytest.fixture
def command(simulator: Simulator) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin `chat4all phone`; it is ended with the test."""
    begun: list[subprocess.Popen[str]] = []

    def phoning(*arguments: str) -> subprocess.Popen[str]:
        words = [*COMMAND, "phone", "--simulator", simulator.url, *arguments]
        pipe = subprocess.PIPE
        begun.append(begin(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1))
        return begun[-1]

    yield phoning
    for one in begun:
        one.kill()
        one.wait(DEADLINE)
        for stream in (one.stdin, one.stdout, one.stderr):
            if stream is not None:
                stream.close()


def test_one_can_chat_from_the_terminal(bot: Bot, phone: Phone, command):
    process = command("--as", phone.name, "--with", bot.name)
    shown = iter(process.stdout.readline, "")
    assert next(shown).strip() == "1 you: /start"
    sent = bot.call("sendMessage", chat_id=phone.id, text="Where\x1b[31m shall it go?")
    assert next(shown).strip() == f"{sent['message_id']} {bot.name}: Where [31m shall it go?"
    bot.call("sendChatAction", chat_id=phone.id, action="typing")
    assert next(shown).strip() == "… typing"
    process.stdin.write(f"Home\n/reply {sent['message_id']} To my home\n")
    assert next(shown).strip() == "3 you: Home"
    assert next(shown).strip() == f"4 you (to {sent['message_id']}): To my home"
    process.stdin.write("/edit 3 Home!\n/edit 99 nothing\n/delete 4\n/block\n")
    assert next(shown).strip() == "3 you (edited): Home!"
    assert next(shown).strip() == "deleted: 4"
    assert next(shown).strip() == "the bot is blocked"
    assert "There is no message 99" in process.stderr.readline()
    process.stdin.close()
    assert process.wait(DEADLINE) == 1, "one line was refused"
    assert phone.texts(bot)[-1] == "Home!"


def test_for_programs_there_is_json(bot: Bot, phone: Phone, command):
    process = command("--as", phone.name, "--with", bot.name, "--json")
    assert json.loads(process.stdout.readline())["text"] == "/start"
    sent = bot.call("sendMessage", chat_id=phone.id, text="Olá")
    assert json.loads(process.stdout.readline()) == sent
    process.stdin.close()
    assert process.wait(DEADLINE) == 0


def test_one_can_say_one_thing(bot: Bot, phone: Phone, command):
    process = command("--as", phone.name, "--with", bot.name, "--say", "only this")
    assert process.communicate(timeout=DEADLINE)[0].strip().endswith("you: only this")
    assert process.returncode == 0
    assert phone.texts(bot)[-1] == "only this"


def test_a_phone_that_is_not_there_is_made(simulator: Simulator, bot: Bot, command):
    process = command("--as", "somebody_new", "--with", bot.name, "--say", "/start")
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert "somebody_new" in {one["username"] for one in simulator.control("GET", "/telegram/phones")}


def test_it_goes_on_when_the_simulator_is_back(tmp_path):
    with simulating(tmp_path / "data") as own:
        bot, phone = own.bot(), own.phone()
        phone.write(bot, "/start")
        words = [*COMMAND, "phone", "--simulator", own.url, "--as", phone.name]
        pipe = subprocess.PIPE
        with begin(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline().strip() == "1 you: /start"
            port = own.port
            own.kill()
            own.start(port)
            bot.call("sendMessage", chat_id=phone.id, text="meanwhile")
            assert process.stdout.readline().strip() == f"2 {bot.name}: meanwhile"
            process.stdin.close()
            assert process.wait(DEADLINE) == 0


WRONG = [
    (["--with", "no_such_bot"], "PUT /control/telegram/bots/no_such_bot"),
    (["--with", "-99"], "There is no group -99"),
    ([], "Which bot? --with NAME."),
]


@pytest.mark.parametrize(("more", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_cannot_be_is_told(bot: Bot, phone: Phone, command, more, why):
    bot.simulator.bot()
    process = command("--as", phone.name, "--say", "x", *more)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert why in said.replace("\n", " ")


def test_no_simulator_is_told(command):
    process = command("--simulator", "http://127.0.0.1:9", "--say", "x")
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "Start one: chat4all simulator" in said


def test_it_prints_its_address_and_a_walk_that_works(tmp_path):
    words = [*COMMAND, "simulator", "--port", "0", "--data", str(tmp_path / "data")]
    with begin(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "getUpdates" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        assert lines[0].startswith("Simulator: http://localhost:")
        walk = "\n".join(line.strip() for line in lines if line.startswith("  "))
        done = subprocess.run(["bash", "-euc", walk], capture_output=True, text=True, timeout=DEADLINE, check=True)
        assert '"text":"/start"' in done.stdout.splitlines()[-1]
        process.terminate()
        assert process.wait(DEADLINE) == 0


def test_the_app_runs_on_its_own(tmp_path):
    environment = {"PATH": "", "CHAT4ALL_SIMULATOR__PORT": "0", "CHAT4ALL_SIMULATOR__DATA": str(tmp_path / "data")}
    words = [sys.executable, "-m", "apps.simulator"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Simulator: http://localhost:")
        process.terminate()
        assert process.wait(DEADLINE) == 0
