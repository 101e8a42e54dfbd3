"""`--json` on every command: what a program reads is JSON, and nothing else is on standard output."""

import functools
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.forking.processes import begin
from tests.integration.commands import (
    DEADLINE,
    chat4all,
    chat_with_bruno,
    client,
    command,
    eventually,
    going_on,
    posted,
    refused_in_json,
    said,
    stored,
    surroundings,
    together,
)
from tests.integration.people import PASSWORD

from chat4all_devtools.ports import free_port
from chat4all_devtools.server import Server

Ran = Mapping[str, subprocess.CompletedProcess[str]]
MESSAGE: Final = {"type", "message_id", "conversation_id", "seq", "sender_id", "content", "reply_to", "deleted_at"}

# The command, and the fields that its object has, or each of its array's.
ONE: Final[Mapping[str, tuple[Sequence[str], set[str]]]] = {
    "token": (("token",), {"access_token", "token_type"}),
    "send": (("send", "bruno", "Olá"), {"message_id", "conversation_id"}),
    "users add": (("users", "add", "eva", "--password-file", "FILE"), {"username", "email", "role"}),
    "users set": (("users", "set", "bruno", "--role", "user"), {"username", "email", "role"}),
}
LIST: Final[Mapping[str, tuple[Sequence[str], set[str]]]] = {
    "history": (("history", "CHAT"), MESSAGE | {"status", "created_at", "edited_at"}),
    "trace": (("trace", "ID"), {"at", "what", "who", "detail"}),
    "users find": (("users", "find"), {"username", "email", "role"}),
    "config": (("config",), {"section", "variable", "default", "value", "changed", "unit", "description"}),
}
STREAM: Final[Mapping[str, tuple[Sequence[str], set[str]]]] = {
    "tail": (("tail", "CHAT", "--count", "2"), MESSAGE | {"timestamp"}),
}
EVERY: Final = {**ONE, **LIST, **STREAM}


@pytest.fixture(scope="module")
def names(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands for itself only here: a conversation, a message in it, a file with a password."""
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text(PASSWORD)
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        message = posted(http, chat, "مرحبا 🎉", "[bold]Olá[/bold]")
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {"CHAT": chat, "ID": message, "FILE": str(file), "NOWHERE": nowhere}


@pytest.fixture(scope="module")
def ran(server: Server, names: Mapping[str, str]) -> Ran:
    """What became of each."""

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        words = [names.get(one, one) for one in arguments]
        return chat4all(*words, "--json", environment={"CHAT4ALL_URL": server.url})

    return together({name: functools.partial(run, arguments) for name, (arguments, _) in EVERY.items()})


@pytest.mark.parametrize("name", EVERY)
def test_json_is_all_that_a_command_puts_out(ran: Ran, name: str) -> None:
    """On one line; of a stream, on one line each."""
    assert (ran[name].returncode, ran[name].stderr) == (0, "")
    lines = [json.loads(line) for line in ran[name].stdout.splitlines()]
    assert len(lines) == (2 if name in STREAM else 1)
    for found in lines[0] if name in LIST else lines:
        assert EVERY[name][1] <= set(found)


def test_what_send_says_is_true(server: Server, ran: Ran) -> None:
    sent = json.loads(ran["send"].stdout)
    with client(server.url) as http:
        assert stored(http, sent["message_id"])["conversation_id"] == sent["conversation_id"]


def test_tail_puts_out_the_frames_of_docs_websocket(server: Server, tmp_path: Path) -> None:
    """What the session itself was answered is left out."""
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        with going_on(tmp_path / "tail.txt", "tail", "--as", "bruno", "--json", "--url", server.url) as tail:
            message = posted(http, chat, "Olá")
            tail.shows('"Olá"')
            http.delete(f"/v1/messages/{message}")
            tail.shows('"delete"')
            assert tail.ends(signal.SIGINT) == 0
    frames = [json.loads(line) for line in tail.output.splitlines()]
    assert {"message", "delete"} <= {frame["type"] for frame in frames}
    assert "resume" not in {frame["type"] for frame in frames}
    assert {frame["to_user"] for frame in frames} == {"bruno"}


def test_dev_says_where_it_is(tmp_path: Path) -> None:
    """On the first line, and nothing after that."""
    where = ("dev", "--port", "0", "--data", tmp_path / "data", "--json")
    output = tmp_path / "dev.json"
    with (
        output.open("wb") as file,
        (tmp_path / "dev.log").open("wb") as log,
        begin(command(*where), stdout=file, stderr=log, env=surroundings()) as dev,
    ):
        try:
            eventually(lambda: output.read_bytes().endswith(b"\n"), "it says where it is")
            found = json.loads(output.read_text())
            with client(found["url"].replace("localhost", "127.0.0.1")) as http:
                assert http.get("/v1/conversations").json() == []
        finally:
            dev.terminate()
    assert json.loads(output.read_text()) == found
    assert found["url"].startswith("http://localhost:")
    assert found["docs"] == f"{found['url']}/docs"
    assert found["data"] == str(tmp_path / "data")
    assert found["phones"].startswith("http://localhost:")
    assert {"username": "ana", "password": "demo"} in found["users"]


def test_demo_tells_an_object_a_step() -> None:
    done = chat4all("demo", "--json", within=10 * DEADLINE)
    assert (done.returncode, done.stderr) == (0, "")
    *steps, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last == {"seen": True}
    assert all(step["step"] for step in steps)
    first, second = [step["timeline"] for step in steps if "timeline" in step]
    assert {"accepted", "delivered", "read"} <= {event["what"] for event in first}
    assert {"accepted", "sent"} <= {event["what"] for event in second}


def test_a_demo_that_sees_nothing_says_so() -> None:
    done = chat4all("demo", "--json", environment={"CHAT4ALL_SERVER__HOST": "0.0.0.0"})
    assert done.returncode == 1
    assert json.loads(done.stdout)["seen"] is False
    assert "CHAT4ALL_SERVER__HOST" in json.loads(done.stderr)["error"]


# -- what goes wrong

WRONG: Final[Mapping[str, tuple[Sequence[str], str, int | None]]] = {
    "token, wrong password": (("token", "--password", "wrong"), "wrong password", 401),
    "token, no server": (("token", "--url", "NOWHERE"), "chat4all dev", None),
    "token, no address": (("token", "--url", "http://localhost:port"), "no address", None),
    "send to an unknown user": (("send", "nobody", "Olá"), "There is no user nobody.", 422),
    "send nothing": (("send", "bruno", " "), "content", 422),
    "tail, wrong password": (("tail", "--password", "wrong"), "wrong password", 401),
    "tail, no server": (("tail", "--url", "NOWHERE"), "chat4all dev", None),
    "history with an unknown user": (("history", "nobody"), "There is no user nobody.", None),
    "history of another's": (("history", "CHAT", "--as", "admin"), "you are not in it", 404),
    "trace of another's message": (("trace", "ID", "--as", "admin"), "no such message", 404),
    "users find, no server": (("users", "find", "--url", "NOWHERE"), "chat4all dev", None),
    "users add, a name that is taken": (("users", "add", "ana", "--password-file", "FILE"), "taken", 409),
    "users set, not an admin": (("users", "set", "ana", "--role", "admin", "--as", "ana"), "Only admins", 403),
    "config of nothing": (("config", "zebra"), "zebra", None),
    "dev on an address that others reach": (("dev", "--port", "0", "--data", "DATA"), "CHAT4ALL_SERVER__HOST", None),
    "a text of bytes that are no text": (("send", "bruno", "\udcff"), "not text", None),
}
UNUSABLE: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "an option that is none": (("history", "bruno", "--colour"), "--colour"),
    "an argument too few": (("send", "bruno"), "TEXT"),
    "a number that is none": (("tail", "--count", "many"), "--count"),
    "a command that is none": (("histroy", "bruno"), "history"),
    "no command of several": (("users",), ""),
}


@pytest.fixture(scope="module")
def mistakes(server: Server, names: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What became of each."""
    real = {**names, "DATA": str(tmp_path_factory.mktemp("data"))}
    around = {"CHAT4ALL_URL": server.url, "CHAT4ALL_SERVER__HOST": "0.0.0.0"}

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return chat4all(*(real.get(one, one) for one in arguments), "--json", environment=around)

    cases: dict[str, Any] = {**WRONG, **UNUSABLE}
    return together({name: functools.partial(run, case[0]) for name, case in cases.items()})


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_an_object(mistakes: Ran, name: str) -> None:
    found = refused_in_json(mistakes[name])
    assert WRONG[name][1] in found["error"]
    assert found["status"] == WRONG[name][2]


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_there_is_not_is_an_object_too(mistakes: Ran, name: str) -> None:
    found = refused_in_json(mistakes[name], code=2)
    assert UNUSABLE[name][1].lower() in found["error"].lower()


def test_a_text_may_look_like_the_option(server: Server) -> None:
    message = said("send", "bruno", "--url", server.url, "--", "--json").strip()
    with client(server.url) as http:
        assert stored(http, message)["content"] == "--json"
