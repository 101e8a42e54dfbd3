"""`chat4all users`: finding, making and changing people, without a password on a command line."""

import contextlib
import functools
import json
import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.forking.processes import begin, finished
from tests.integration.commands import (
    DEADLINE,
    chat4all,
    client,
    command,
    eventually,
    refusal,
    registered,
    said,
    surroundings,
    together,
)
from tests.integration.people import PASSWORD, unused

from chat4all_devtools.ports import free_port
from chat4all_devtools.server import Server

OTHER: Final = "staple battery horse"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a password in it, its line ended as an editor does."""
    path = tmp_path_factory.mktemp("secret") / "password"
    path.write_text(f"{PASSWORD}\n")
    return path


def opens(server: Server, username: str, password: str) -> bool:
    """Whether this is the user's password."""
    form = {"username": username, "password": password}
    return httpx.post(f"{server.url}/token", data=form, trust_env=False, timeout=DEADLINE).status_code == 200


AGAIN: Final = "Repeat for confirmation: "  # its last space comes when the echo is off


def first(name: str) -> str:
    """The first question for a password."""
    return f"Password for {name}: "


def asked(server: Server, arguments: Sequence[str], *dialogue: tuple[str, str]) -> tuple[int, str]:
    """Run a command on a terminal and answer each of its questions once it is there; its code and what was shown."""
    ours, theirs = pty.openpty()
    process = begin(
        command(*arguments, "--url", server.url),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=surroundings(),
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = ""

    def shows(question: str, after: int) -> bool:
        nonlocal shown
        with contextlib.suppress(BlockingIOError):
            shown += os.read(ours, 4096).decode()
        return question in shown[after:]

    try:
        answered = 0
        for question, answer in dialogue:
            eventually(functools.partial(shows, question, answered), f"{question} in {shown!r}")
            answered = len(shown)
            os.write(ours, f"{answer}\n".encode())
        with contextlib.suppress(OSError):  # which says that the command has let go of its terminal
            eventually(functools.partial(shows, "what it never says", 0), "its end")
        return process.wait(DEADLINE), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


# -- find


@pytest.fixture(scope="module")
def anabela(server: Server) -> None:
    """Somebody whose name begins as ana's does."""
    with client(server.url) as http:
        registered(http, "anabela")


FINDS: Final[Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]]] = {
    "by the beginning of a name": (("an",), (("ana", "agent"), ("anabela", "user"))),
    "by the whole name": (("bruno",), (("bruno", "user"),)),
    "as a plain user, by the whole name": (("ana", "--as", "bruno"), (("ana", "agent"),)),
}


@pytest.mark.parametrize("name", FINDS)
def test_users_are_found(server: Server, anabela: None, name: str) -> None:
    arguments, found = FINDS[name]
    head, *lines = said("users", "find", *arguments, "--url", server.url).splitlines()
    assert head.split() == ["name", "role", "e-mail"]
    assert [tuple(line.split()) for line in lines] == list(found)


def test_everyone_is_found_without_a_name(server: Server) -> None:
    names = [user["username"] for user in json.loads(said("users", "find", "--json", "--url", server.url))]
    assert {"admin", "ana", "bruno"} <= set(names)
    assert names == sorted(names)


@pytest.mark.parametrize("arguments", [("nobody",), ("--as", "bruno"), ("an", "--as", "bruno")])
def test_finding_nobody_is_no_error(server: Server, arguments: Sequence[str]) -> None:
    done = chat4all("users", "find", *arguments, "--url", server.url)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr


def test_users_alone_shows_what_there_is() -> None:
    done = chat4all("users")
    assert all(name in done.stdout + done.stderr for name in ("find", "add", "set"))


# -- add and set


def test_a_user_is_made_with_a_password_from_a_file(server: Server, file: Path) -> None:
    name = unused()
    options = ("--role", "agent", "--email", f"{name}@example.com", "--password-file", file)
    assert said("users", "add", name, *options, "--url", server.url) == f"Created {name} (agent).\n"
    assert opens(server, name, PASSWORD)
    line = said("users", "find", name, "--url", server.url).splitlines()[1]
    assert line.split() == [name, "agent", f"{name}@example.com"]


def test_a_user_is_made_with_a_password_from_standard_input(server: Server) -> None:
    name = unused()
    words = command("users", "add", name, "--password-file", "-", "--json", "--url", server.url)
    done = finished(words, typed=f"{PASSWORD}\r\n", text=True, env=surroundings(), timeout=DEADLINE)
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"username": name, "email": None, "role": "user"}
    assert opens(server, name, PASSWORD)


def test_a_password_is_asked_for_twice_and_never_shown(server: Server) -> None:
    name = unused()
    code, shown = asked(server, ("users", "add", name), (first(name), PASSWORD), (AGAIN, PASSWORD))
    assert code == 0, shown
    assert f"Password for {name}" in shown
    assert PASSWORD not in shown
    assert opens(server, name, PASSWORD)


def test_two_passwords_that_differ_are_asked_for_again(server: Server) -> None:
    name = unused()
    twice = ((first(name), OTHER), (AGAIN, OTHER))
    code, shown = asked(server, ("users", "add", name), (first(name), PASSWORD), (AGAIN, OTHER), *twice)
    assert code == 0, shown
    assert opens(server, name, OTHER)


def test_a_user_gets_another_role_and_another_password(server: Server, file: Path) -> None:
    name = unused()
    said("users", "add", name, "--password-file", file, "--url", server.url)
    assert said("users", "set", name, "--role", "agent", "--url", server.url) == f"Changed {name} (agent).\n"
    assert opens(server, name, PASSWORD), "what is not named stays"
    code, shown = asked(server, ("users", "set", name, "--new-password"), (first(name), OTHER), (AGAIN, OTHER))
    assert code == 0, shown
    assert opens(server, name, OTHER)
    set_back = said("users", "set", name, "--password-file", file, "--json", "--url", server.url)
    assert json.loads(set_back) == {"username": name, "email": None, "role": "agent"}
    assert opens(server, name, PASSWORD)


# -- what goes wrong

WRONG: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "a name that is taken": (("add", "ana", "--password-file", "FILE"), "This name is taken."),
    "a name that is none": (("add", "Não!", "--password-file", "FILE"), "username"),
    "a password too short": (("add", "shorty", "--password-file", "SHORT"), "password"),
    "an address that is none": (("add", "x", "--email", "x", "--password-file", "FILE"), "email"),
    "a role that only admins give": (
        ("add", "x", "--role", "agent", "--as", "ana", "--password-file", "FILE"),
        "admin",
    ),
    "a file that is not there": (("add", "x", "--password-file", "/nowhere"), "No such file"),
    "a file that is no text": (("add", "x", "--password-file", "BYTES"), "UTF-8"),
    "no terminal to ask on": (("add", "x"), "--password-file"),
    "changing nothing": (("set", "ana"), "--role"),
    "changing nobody": (("set", "nobody", "--role", "user"), "no such user"),
    "changing without being an admin": (("set", "ana", "--role", "admin", "--as", "ana"), "Only admins"),
    "a wrong password": (("find", "--password", "wrong"), "wrong password"),
    "no server": (("find", "--url", "NOWHERE"), "chat4all dev"),
    "a name too long": (("find", "x" * 65), "q:"),
}


@pytest.fixture(scope="module")
def mistakes(
    server: Server, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What became of each."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "short").write_text("short")
    (folder / "bytes").write_bytes(b"\xff" * 12)
    real = {"FILE": str(file), "SHORT": str(folder / "short"), "BYTES": str(folder / "bytes")}
    real["NOWHERE"] = f"http://127.0.0.1:{free_port()}"

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        words = [real.get(one, one) for one in arguments]
        return chat4all("users", *words, environment={"CHAT4ALL_URL": server.url})

    return together({name: functools.partial(run, arguments) for name, (arguments, _) in WRONG.items()})


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_a_sentence(mistakes: Mapping[str, subprocess.CompletedProcess[str]], name: str) -> None:
    assert WRONG[name][1] in refusal(mistakes[name])


@pytest.mark.parametrize("arguments", [("add",), ("set", "ana", "--role", "king"), ("add", "x", PASSWORD), ("remove",)])
def test_what_there_is_not_is_refused_with_what_there_is(arguments: Sequence[str]) -> None:
    """A password among the arguments is one of these."""
    done = chat4all("users", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: chat4all users" in done.stderr
    assert "Traceback" not in done.stderr
