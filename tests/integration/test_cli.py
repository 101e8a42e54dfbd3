"""The `chat4all` command as a person runs it: real processes, a real server, and what they print.

What goes wrong is one sentence on standard error and exit code 1, never a traceback; what dev prints works as it
stands; no secret is in a server's output.
"""

import functools
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Final

import httpx
import pytest
import websockets
from tests.integration.commands import (
    DEADLINE,
    address,
    chat4all,
    chat_with_bruno,
    client,
    eventually,
    going_on,
    log_of,
    posted,
    refusal,
    said,
    serving,
    stored,
    surroundings,
    together,
)
from tests.integration.people import PASSWORD
from websockets.sync.client import connect

from chat4all_devtools.ports import free_port
from chat4all_devtools.server import Server

COMMANDS: Final = (
    *("dev", "demo", "token", "send", "tail", "history", "trace", "config", "completion", "channels", "connectors"),
    *("links", "links list", "links add", "links remove", "dlq", "dlq list", "dlq show", "dlq replay"),
    *("users", "users find", "users add", "users set"),
)
JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


# -- help


@pytest.fixture(scope="module")
def helps() -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What each command's --help says; of the empty name, all of them's."""
    return together({name: functools.partial(chat4all, *name.split(), "--help") for name in ("", *COMMANDS)})


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_does_with_an_example(
    helps: Mapping[str, subprocess.CompletedProcess[str]], name: str
) -> None:
    done = helps[name]
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout
    assert "Example:" in done.stdout
    assert f"chat4all {name}" in " ".join(done.stdout.partition("Example:")[2].split())


def test_help_lists_every_command(helps: Mapping[str, subprocess.CompletedProcess[str]]) -> None:
    assert helps[""].returncode == 0
    assert all(name.split()[0] in helps[""].stdout for name in COMMANDS)
    assert "--json" in helps[""].stdout


# -- commands that talk to a server


def test_token_prints_a_token_that_works(server: Server) -> None:
    token = said("token", "--as", "bruno", "--url", server.url).strip()
    assert JWT.fullmatch(token)
    answer = httpx.get(
        f"{server.url}/v1/conversations",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=DEADLINE,
    )
    assert answer.status_code == 200


def test_the_environment_says_who_and_where(server: Server) -> None:
    done = chat4all("token", environment={"CHAT4ALL_URL": server.url, "CHAT4ALL_USER": "bruno"})
    assert JWT.fullmatch(done.stdout.strip()), done.stderr


def test_send_to_a_user(server: Server) -> None:
    first = said("send", "bruno", "Olá, Bruno!", "--url", server.url).strip()
    second = said("send", "bruno", "Está aí?", "--url", server.url).strip()
    with client(server.url) as http:
        one, two = stored(http, first), stored(http, second)
        assert (one["content"], two["content"]) == ("Olá, Bruno!", "Está aí?")
        assert one["conversation_id"] == two["conversation_id"], "the conversation with exactly this person"
        chat = http.get(f"/v1/conversations/{one['conversation_id']}").json()
    assert sorted(chat["members"]) == ["ana", "bruno"]


def test_send_to_several(server: Server) -> None:
    first = said("send", "bruno,admin", "مرحبا 🎉", "--as", "ana", "--url", server.url).strip()
    second = said("send", "ana,bruno", "De volta", "--as", "admin", "--url", server.url).strip()
    with client(server.url) as http:
        one, two = stored(http, first), stored(http, second)
        assert one["content"] == "مرحبا 🎉"
        assert one["conversation_id"] == two["conversation_id"], "the same people are the same conversation"
        chat = http.get(f"/v1/conversations/{one['conversation_id']}").json()
    assert sorted(chat["members"]) == ["admin", "ana", "bruno"]


def test_send_to_a_conversation(server: Server) -> None:
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        message = said("send", chat, "Aqui", "--as", "bruno", "--url", server.url).strip()
        assert stored(http, message)["conversation_id"] == chat


def test_send_twice_with_a_key_is_one_message(server: Server) -> None:
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        ids = [said("send", chat, "Uma vez", "--key", "k-1", "--url", server.url) for _ in range(2)]
        assert ids[0] == ids[1]
        posted(http, chat, "Depois")
        history = http.get(f"/v1/conversations/{chat}/messages").json()
    assert [one["content"] for one in history] == ["Uma vez", "Depois"]


def test_tail_shows_what_was_said_and_ends_after_so_many_lines(server: Server) -> None:
    """Whoever was shown a message has it: the last one is delivered too, though the command ends with it."""
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        message = posted(http, chat, "um", "dois", "três")
        lines = said("tail", chat, "--as", "bruno", "--count", "3", "--url", server.url).splitlines()
        assert [line.rpartition("ana: ")[2] for line in lines] == ["um", "dois", "três"]
        assert [line.split()[1] for line in lines] == ["1", "2", "3"], "each with its seq"
        eventually(lambda: stored(http, message)["status"] == "delivered", "the last message is delivered")


def test_tail_new_leaves_out_what_was_said_before(server: Server, tmp_path: Path) -> None:
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        posted(http, chat, "antes")
        with going_on(tmp_path / "tail.txt", "tail", chat, "--as", "bruno", "--new", "--url", server.url) as tail:
            eventually(lambda: http.get("/v1/presence/bruno").json()["status"] == "online", "tail listens")
            posted(http, chat, "depois")
            tail.shows("depois")
            assert "antes" not in tail.output


def test_tail_shows_edits_and_deletes(server: Server, tmp_path: Path) -> None:
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        with going_on(tmp_path / "tail.txt", "tail", chat, "--as", "bruno", "--url", server.url) as tail:
            message = posted(http, chat, "[bold]Ola[/bold]")
            tail.shows("[bold]Ola[/bold]")
            http.patch(f"/v1/messages/{message}", json={"content": "Olá outra vez"})
            tail.shows("Olá outra vez")
            http.delete(f"/v1/messages/{message}")
            tail.shows("deleted no. 1")
            assert tail.ends(signal.SIGINT) == 0
            assert "Traceback" not in tail.output


def test_tail_survives_a_server_that_is_killed(tmp_path: Path) -> None:
    """It reconnects and resumes: every line once, in order, also what was said while it waited to reconnect."""
    texts = [f"linha-{number}." for number in range(1, 10)]
    with (
        serving(tmp_path) as mortal,
        going_on(tmp_path / "tail.txt", "tail", "--as", "bruno", "--url", mortal.url) as tail,
    ):
        with client(mortal.url) as http:
            chat = chat_with_bruno(http)
        for turn in range(3):
            with client(mortal.url) as http:
                posted(http, chat, *texts[turn * 3 : turn * 3 + 2])
                tail.shows(texts[turn * 3 + 1])
                posted(http, chat, texts[turn * 3 + 2])
            if turn < 2:
                mortal.kill()
                mortal.start()
        tail.shows(*texts)
        shown = [line.rpartition("ana: ")[2] for line in tail.output.splitlines() if "linha-" in line]
        assert shown == texts
        assert tail.ends(signal.SIGINT) == 0
        assert "Traceback" not in tail.output


def test_trace_shows_a_messages_timeline(server: Server) -> None:
    message = said("send", "bruno", "Onde está?", "--url", server.url).strip()
    with client(server.url, "bruno") as http:
        found = stored(http, message)
        body = {"status": "read", "conversation_id": found["conversation_id"]}
        assert http.patch(f"/v1/messages/{message}/status", json=body).status_code == 200
        eventually(lambda: stored(http, message)["status"] == "read", "it is read")
    text = said("trace", message, "--as", "ana", "--url", server.url)
    assert message in text
    words = [word for word in re.findall(r"[a-z]+", text) if word in {"accepted", "delivered", "read"}]
    assert words == ["accepted", "delivered", "read"]


# -- what goes wrong

WRONG: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "token, wrong password": (("token", "--password", "wrong"), "password"),
    "tail, wrong password": (("tail", "--password", "wrong"), "password"),
    "send to an unknown user": (("send", "nobody", "Olá"), "There is no user nobody."),
    "send to an unknown conversation": (("send", "0191d5a0-0000-7000-8000-000000000000", "Olá"), "no such"),
    "send nothing": (("send", "bruno", ""), "content"),
    "send with a key beyond ASCII": (("send", "bruno", "Olá", "--key", "clé"), "Idempotency-Key"),
    "trace of an unknown message": (("trace", "0191d5a0-0000-7000-8000-000000000000"), "no such message"),
    "trace of another's message": (("trace", "FOREIGN", "--as", "bruno"), "no such message"),
    "no server for token": (("token", "--url", "NOWHERE"), "chat4all dev"),
    "no server for tail": (("tail", "--url", "NOWHERE"), "chat4all dev"),
    "an address without its scheme": (("token", "--url", "localhost:8000"), "http://localhost:8000"),
    "an address with a port beyond all": (("token", "--url", "http://localhost:99999"), "99999"),
    "a server of something else": (("token", "--url", "ELSEWHERE"), "no Chat4All"),
    "an address with a port that is no number": (("token", "--url", "http://localhost:port"), "http://localhost:port"),
}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The address of a server that answers everything with a page."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Welcome</h1>")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{page.server_port}"
        page.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def mistakes(server: Server, elsewhere: str) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What became of each."""
    with client(server.url) as http:
        body = {"members": ["admin"]}
        foreign = posted(http, http.post("/v1/conversations", json=body).json()["conversation_id"], "Só para ti.")
    real = {"FOREIGN": foreign, "NOWHERE": f"http://127.0.0.1:{free_port()}", "ELSEWHERE": elsewhere}

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return chat4all(*(real.get(one, one) for one in arguments), environment={"CHAT4ALL_URL": server.url})

    return together({name: functools.partial(run, arguments) for name, (arguments, _) in WRONG.items()})


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_a_sentence(mistakes: Mapping[str, subprocess.CompletedProcess[str]], name: str) -> None:
    assert WRONG[name][1] in refusal(mistakes[name])


# -- dev


def test_dev_prints_its_address_first(server: Server) -> None:
    """Then what to do there."""
    first, second = log_of(server).read_text().splitlines()[:2]
    assert first == f"Chat4All: http://localhost:{server.port}"
    assert all(word in second for word in ("browser", "ana", "bruno", "demo"))


def test_what_dev_prints_works_as_it_stands(server: Server) -> None:
    """Three lines for another terminal: a token, a conversation, a message."""
    printed = log_of(server).read_text()
    lines = [line.strip() for line in printed.splitlines() if re.match(r"\s+(\w+=\$\()?curl ", line)]
    assert len(lines) == 3
    assert [line.split("=")[0] for line in lines[:2]] == ["TOKEN", "CHAT"]
    script = "\n".join(["set -eu", *lines, "echo", 'echo "$TOKEN"', 'echo "$CHAT"'])
    plain = {name: value for name, value in surroundings().items() if "proxy" not in name.lower()}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=plain, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer, token, chat = done.stdout.split()
    assert json.loads(answer)["status"] == "accepted"
    http = httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=DEADLINE
    )
    with http:
        message = stored(http, json.loads(answer)["message_id"])
    assert (message["conversation_id"], message["content"]) == (chat, "Olá, Bruno!")


def test_the_line_that_dev_prints_to_watch_it_arrive_works(server: Server) -> None:
    [line] = [line for line in log_of(server).read_text().splitlines() if "chat4all tail" in line]
    watching = re.search(r"chat4all (tail --as bruno( --url \S+)?)", line)
    assert watching
    with client(server.url) as http:
        posted(http, chat_with_bruno(http), "Olá!")
    assert said(*watching[1].split(), "--count", "1")


def test_a_second_dev_on_the_same_data_is_refused(server: Server) -> None:
    """It names the folder and the process that has it; not even `--fresh` takes it away."""
    data = server.data
    sentence = refusal(chat4all("dev", "--port", "0", "--data", data, "--fresh"))
    assert str(server.process.pid) in sentence
    assert data.name in sentence
    with client(server.url) as http:
        assert http.get("/v1/conversations").status_code == 200, "the first one goes on"


def test_a_port_in_use_is_refused_with_advice(server: Server, tmp_path: Path) -> None:
    sentence = refusal(chat4all("dev", "--port", str(server.port), "--data", tmp_path / "data"))
    assert str(server.port) in sentence
    assert "CHAT4ALL_SERVER__PORT" in sentence


SETTINGS: Final = {
    "an address that others reach": ("CHAT4ALL_SERVER__HOST", "0.0.0.0"),
    "a port that is no number": ("CHAT4ALL_SERVER__PORT", "eighty"),
    "not one of several": ("CHAT4ALL_SERVER__LOG_LEVEL", "CHATTY"),
    "below the bound": ("CHAT4ALL_GATEWAY__QUEUE", "0"),
    "a section that is no JSON": ("CHAT4ALL_API", "fast"),
    "a folder without keys": ("CHAT4ALL_ACCOUNTS__KEYS_DIR", "/nowhere/at/all"),
}


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What became of a dev with each of these settings."""

    def run(variable: str, value: str) -> subprocess.CompletedProcess[str]:
        data = tmp_path_factory.mktemp("wrong") / "data"
        port = () if variable == "CHAT4ALL_SERVER__PORT" else ("--port", "0")
        return chat4all("dev", *port, "--data", data, environment={variable: value})

    return together({name: functools.partial(run, *setting) for name, setting in SETTINGS.items()})


@pytest.mark.parametrize("name", SETTINGS)
def test_a_wrong_setting_names_its_variable(starts: Mapping[str, subprocess.CompletedProcess[str]], name: str) -> None:
    """An address that others can reach is one: the demo users' password is known to everyone."""
    done = starts[name]
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert SETTINGS[name][0] in done.stderr


def test_a_port_that_is_none_is_refused(tmp_path: Path) -> None:
    done = chat4all("dev", "--port", "70000", "--data", tmp_path / "data")
    assert done.returncode in (1, 2), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert "--port" in done.stderr
    assert "65535" in done.stderr


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine")
    sentence = refusal(chat4all("dev", "--port", "0", "--data", tmp_path / "data"))
    assert "CHAT4ALL_EMBEDDED__DATA" in sentence
    assert (tmp_path / "data").read_text() == "mine"


def test_data_survive_a_restart_and_fresh_starts_clean(tmp_path: Path) -> None:
    """`--fresh` deletes what it keeps; other files in the folder stay."""
    with serving(tmp_path) as first:
        with client(first.url) as http:
            chat = chat_with_bruno(http)
            posted(http, chat, "Fica")
            first.stop()
            first.start()
            posted(http, chat, "Mais")
            history = http.get(f"/v1/conversations/{chat}/messages").json()
            old = http.headers["Authorization"]
        assert [(one["seq"], one["content"]) for one in history] == [(1, "Fica"), (2, "Mais")]
        first.stop()

    data = tmp_path / "data"
    others = [data / "notes.txt", data / "log.db.backup", data / "mine" / "photo.jpg", data / "keys" / "README"]
    for file in others:
        file.parent.mkdir(exist_ok=True)
        file.write_text("mine")
    with going_on(tmp_path / "fresh.log", "dev", "--fresh", "--port", "0", "--data", data) as dev:
        url = address(dev)
        refused = httpx.get(
            f"{url}/v1/conversations", headers={"Authorization": old}, trust_env=False, timeout=DEADLINE
        )
        assert refused.status_code == 401, "the token was signed by a key that is gone"
        with client(url) as http:
            assert http.get("/v1/conversations").json() == []
    assert [file.name for file in others if not file.exists()] == []


@pytest.mark.parametrize(("how", "codes"), [(signal.SIGTERM, {0}), (signal.SIGINT, {130})], ids=["SIGTERM", "Ctrl+C"])
def test_dev_ends_when_it_is_told_to(tmp_path: Path, how: signal.Signals, codes: set[int]) -> None:
    """Well and within seconds, open WebSockets and all; they are closed with 1012. A shell says 130 for Ctrl+C."""
    with going_on(tmp_path / "dev.log", "dev", "--port", "0", "--data", tmp_path / "data") as dev:
        url = address(dev)
        token = httpx.post(
            f"{url}/token", data={"username": "ana", "password": "demo"}, trust_env=False, timeout=DEADLINE
        ).json()
        with connect(
            f"{url.replace('http', 'ws')}/ws?token={token['access_token']}", proxy=None, open_timeout=DEADLINE
        ) as wire:
            wire.send('{"type": "ping"}')
            assert json.loads(wire.recv(DEADLINE))["type"] == "pong"
            code = dev.ends(how)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                wire.recv(DEADLINE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        assert code in codes, dev.output
        assert "Traceback" not in dev.output


def test_demo_tells_its_story() -> None:
    done = chat4all("demo", within=10 * DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr
    for seen in ("مرحبا", "Idempotency-Key", "resumes", "edits one message", "sees it read", "SIGKILL", "timeline"):
        assert seen in done.stdout
    assert JWT.search(done.stdout) is None


# -- secrets


def test_no_token_or_password_in_what_a_server_puts_out(tmp_path: Path) -> None:
    """At its most talkative; not even where the token stood in the WebSocket's address."""
    with serving(tmp_path, CHAT4ALL_SERVER__LOG_LEVEL="DEBUG") as talkative:
        url = talkative.url
        with httpx.Client(base_url=url, trust_env=False, timeout=DEADLINE) as http:
            body = {"username": "secretive", "password": PASSWORD}
            assert http.post("/v1/users", json=body).status_code == 201
            token = http.post("/token", data=body).json()["access_token"]
            assert http.post("/token", data={**body, "password": "a-wrong-guess"}).status_code == 401
            assert http.post("/v1/users", json={**body, "password": PASSWORD[::-1]}).status_code == 409
            assert http.post("/v1/users", json={"username": "x", "password": "short!"}).status_code == 422
            bearer = {"Authorization": f"Bearer {token}"}
            chat = http.post("/v1/conversations", json={"members": ["ana"]}, headers=bearer).json()["conversation_id"]
            message = {"chat_id": chat, "content": "Olá"}
            assert http.post("/v1/messages", json=message, headers=bearer).status_code == 202
            assert http.get(f"/v1/conversations?token={token}", headers=bearer).status_code == 200
            assert http.get("/v1/conversations", headers={"Authorization": f"Bearer {token}x"}).status_code == 401
            assert http.get("/v1/conversations", headers={"Authorization": token}).status_code == 401
            hashed = "argon2"
        address = f"{url.replace('http', 'ws')}/ws"
        offered = [websockets.Subprotocol("chat4all"), websockets.Subprotocol(f"bearer.{token}")]
        for opened in (f"{address}?token={token}", f"{address}?a=b&token={token}&c=d", address):
            with connect(
                opened, subprotocols=offered if opened == address else None, proxy=None, open_timeout=DEADLINE
            ) as wire:
                wire.send(f"bad frame with {token} in it")
                wire.send('{"type": "ping"}')
                while json.loads(wire.recv(DEADLINE))["type"] != "pong":
                    pass
        forged = token[:-6] + "AAAAAA"
        with (
            connect(f"{address}?token={forged}", proxy=None, open_timeout=DEADLINE) as wire,
            pytest.raises(websockets.ConnectionClosed),
        ):
            wire.recv(DEADLINE)
        talkative.stop()
    output = (tmp_path / "server.log").read_text(errors="replace")
    assert " INFO " in output, "it was talkative"
    secrets = [*token.split(".")[1:], forged.split(".")[2], PASSWORD, PASSWORD[::-1], "a-wrong-guess", "short!", hashed]
    assert [secret for secret in secrets if secret in output] == []
    assert JWT.search(output) is None
