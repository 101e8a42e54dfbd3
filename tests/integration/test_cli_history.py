"""`chat4all history`, and what it shares with send and tail: how a conversation is named, how a line looks."""

import functools
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import httpx
import pytest
from tests.integration.commands import (
    chat4all,
    chat_with_bruno,
    client,
    eventually,
    posted,
    refusal,
    registered,
    said,
    serving,
    stored,
    together,
)
from tests.integration.people import PASSWORD

from chat4all_devtools.ports import free_port
from chat4all_devtools.server import Server

TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
GREETING: Final = "مرحبا 🎉👩‍👩‍👧‍👦"
Ran = Mapping[str, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes hundreds of posts at once."""
    quick = {"CHAT4ALL_API__POSTS_PER_SECOND": "100000", "CHAT4ALL_API__POST_BURST": "100000"}
    with serving(tmp_path_factory.mktemp("server"), **quick) as running:
        yield running


def reply(http: httpx.Client, chat: str, text: str, to: str) -> str:
    """Post a reply; its id once it is stored."""
    body = {"chat_id": chat, "content": text, "reply_to": to}
    message = str(http.post("/v1/messages", json=body).json()["message_id"])
    stored(http, message)
    return message


@pytest.fixture(scope="module")
def names(server: Server) -> dict[str, str]:
    """A conversation of ana and clara with everything in it: CHAT, its id; FIRST, the first message's."""
    with client(server.url) as ana:
        registered(ana, "clara", "dora")
    with client(server.url) as ana, client(server.url, "clara", PASSWORD) as clara:
        chat = ana.post("/v1/conversations", json={"members": ["clara"]}).json()["conversation_id"]
        first = posted(ana, chat, "um")
        posted(clara, chat, "dois")
        reply(ana, chat, "três", first)
        last = posted(ana, chat, "já não")
        ana.patch(f"/v1/messages/{first}", json={"content": "um, emendado"})
        ana.delete(f"/v1/messages/{last}")
        posted(ana, chat, GREETING)
        clara.patch(f"/v1/messages/{first}/status", json={"status": "read", "conversation_id": chat})
        eventually(lambda: stored(ana, first)["status"] == "read", "it is read")
    return {"CHAT": chat, "FIRST": first}


CLARA: Final = ("--as", "clara", "--password", PASSWORD)
DORA: Final = ("--as", "dora", "--password", PASSWORD)
ONE, TWO, THREE = "   1 ana: um, emendado  (edited", "   2 clara: dois", "   3 ana: três  (in reply to no. 1"
GONE, LAST = "   4 ana: (deleted)", f"   7 ana: {GREETING}"
VIEWS: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "as it stands now": (("CHAT",), (f"{ONE}, read)", TWO, f"{THREE}, sent)", GONE, f"{LAST}  (sent)")),
    "without what became of others' messages": (
        ("CHAT", *CLARA),
        (f"{ONE})", f"{TWO}  (sent)", f"{THREE})", GONE, LAST),
    ),
    "by who is in it": (("clara",), (f"{ONE}, read)", TWO, f"{THREE}, sent)", GONE, f"{LAST}  (sent)")),
    "by who is in it, from the other side": (("ana", *CLARA, "-n", "1"), (LAST,)),
    "the last ones": (("CHAT", "--limit", "2"), (GONE, f"{LAST}  (sent)")),
    "before a number": (("CHAT", "--before", "3"), (f"{ONE}, read)", TWO)),
    "the last one before a number": (
        ("CHAT", "-n", "1", "--before", "4"),
        ("   3 ana: três  (in reply to FIRST, sent)",),
    ),
    "edits and deletes too": (
        ("CHAT", "--kinds", "all", "-n", "4"),
        (GONE, "   5 ana: changed no. 1 to: um, emendado", "   6 ana: deleted no. 4", f"{LAST}  (sent)"),
    ),
}


@pytest.fixture(scope="module")
def views(server: Server, names: Mapping[str, str]) -> Ran:
    """What each shows."""

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return chat4all("history", *(names.get(one, one) for one in arguments), "--url", server.url)

    return together({name: functools.partial(run, arguments) for name, (arguments, _) in VIEWS.items()})


@pytest.mark.parametrize("name", VIEWS)
def test_history_shows_what_was_said(views: Ran, names: Mapping[str, str], name: str) -> None:
    assert (views[name].returncode, views[name].stderr) == (0, "")
    lines = views[name].stdout.splitlines()
    assert all(TIME.match(line) for line in lines), "the day and the time, in UTC"
    assert [TIME.sub("", line, count=1) for line in lines] == [
        line.replace("FIRST", names["FIRST"]) for line in VIEWS[name][1]
    ]


def test_history_as_json_is_what_the_server_answers(server: Server, names: Mapping[str, str]) -> None:
    shown = json.loads(said("history", names["CHAT"], "--kinds", "all", "--json", "--url", server.url))
    with client(server.url) as http:
        assert shown == http.get(f"/v1/conversations/{names['CHAT']}/messages?kinds=all").json()


def test_members_come_and_go_in_a_history(server: Server) -> None:
    with client(server.url) as http:
        chat = http.post("/v1/conversations", json={"type": "group", "members": ["bruno"]}).json()["conversation_id"]
        http.post(f"/v1/conversations/{chat}/members", json={"members": ["admin"]})
        http.delete(f"/v1/conversations/{chat}/members/bruno")
        rows = f"/v1/conversations/{chat}/messages?kinds=all"
        eventually(lambda: len(http.get(rows).json()) == 2, "both changes are stored")
    lines = said("history", "admin", "--kinds", "all", "--url", server.url).splitlines()
    assert [line.rpartition("ana: ")[2] for line in lines] == ["added admin", "removed bruno"]


@pytest.fixture(scope="module")
def long(server: Server) -> str:
    """A conversation of 450 messages."""
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        posted(http, chat, *(f"n.º {number}" for number in range(1, 451)))
    return chat


PAGES: Final[Mapping[str, tuple[Sequence[str], range]]] = {
    "twenty unless told": ((), range(431, 451)),
    "a page": (("-n", "200"), range(251, 451)),
    "more than a page": (("-n", "201"), range(250, 451)),
    "more than two pages before a number": (("-n", "420", "--before", "441"), range(21, 441)),
    "all of them": (("-n", "1000"), range(1, 451)),
}


@pytest.mark.parametrize("name", PAGES)
def test_history_is_read_page_by_page(server: Server, long: str, name: str) -> None:
    arguments, seqs = PAGES[name]
    shown = json.loads(said("history", long, *arguments, "--json", "--url", server.url))
    assert [row["seq"] for row in shown] == list(seqs)
    assert [row["content"] for row in shown] == [f"n.º {seq}" for seq in seqs]


def test_an_empty_history_is_no_error(server: Server) -> None:
    with client(server.url) as http:
        chat = chat_with_bruno(http)
    done = chat4all("history", chat, "--url", server.url)
    assert (done.returncode, done.stdout) == (0, "")
    assert "There are no messages" in done.stderr
    assert json.loads(said("history", chat, "--json", "--url", server.url)) == []


def test_a_conversation_is_found_behind_hundreds_of_others(server: Server) -> None:
    """Whoever has more than a page of conversations does not get a new one with every message."""
    people = [f"quiet{number}" for number in (1, 2)]
    with client(server.url) as http:
        registered(http, *people)
        first = said("send", ",".join(people), "Olá", "--url", server.url).strip()
        chat = stored(http, first)["conversation_id"]
        for _ in range(201):
            chat_with_bruno(http)
        again = json.loads(said("send", ", ".join(people), "Outra vez", "--json", "--url", server.url))
        assert again["conversation_id"] == chat
        stored(http, again["message_id"])
    assert "Outra vez" in said("history", ",".join(people), "-n", "1", "--url", server.url)


STEERING: Final = "\x1b[2J\x1b]0;mine\x07 \x9b31m\x08\r\n12:00:00    9 admin: forged\u2028\u202etxt.exe\x7f"


@pytest.fixture(scope="module")
def steered(server: Server) -> str:
    """A conversation with a message that a terminal would obey, and an edit to such a one."""
    with client(server.url) as http:
        chat = chat_with_bruno(http)
        message = posted(http, chat, STEERING, "depois")
        http.patch(f"/v1/messages/{message}", json={"content": STEERING})
        eventually(lambda: stored(http, message)["content"] == STEERING, "it is changed")
    return chat


@pytest.mark.parametrize("as_json", [False, True], ids=["for a person", "as JSON"])
@pytest.mark.parametrize(("name", "more"), [("history", ("--kinds", "all")), ("tail", ("--count", "3"))])
def test_what_steers_a_terminal_does_not_reach_it(
    server: Server, steered: str, name: str, more: Sequence[str], as_json: bool
) -> None:
    """A message has one line, in which escape sequences and the like are to be seen; in JSON they are escaped."""
    options = ("--json",) if as_json else ()
    shown = said(name, steered, *more, *options, "--url", server.url)
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e]", shown) == []
    if as_json:
        rows: list[Any] = [row for line in shown.splitlines() for row in _rows(json.loads(line))]
        assert [row["content"] for row in rows] == [STEERING] * len(rows)
    else:
        assert len(shown.splitlines()) == 3
        assert r"\x1b[2J\x1b]0;mine\x07" in shown
        assert " ⏎ 12:00:00    9 admin: forged" in shown


def _rows(found: Any) -> list[dict[str, Any]]:
    rows = found if isinstance(found, list) else [found]
    return [row for row in rows if row["content"] != "depois"]


# -- what goes wrong

WRONG: Final[Mapping[str, tuple[Sequence[str], str]]] = {
    "an unknown user": (("history", "nobody"), "There is no user nobody."),
    "the beginning of a name": (("history", "cla"), "There is no user cla."),
    "an unknown user, asked by one who finds whole names only": (
        ("history", "ana,cla", *DORA),
        "There is no user cla.",
    ),
    "nobody": (("history", " , "), "CHAT names nobody"),
    "people who never talked": (("history", "ana", *DORA), "Begin it: chat4all send --as dora ana"),
    "an unknown conversation": (("history", "0191d5a0-0000-7000-8000-000000000000"), "no such conversation"),
    "another's conversation": (("history", "CHAT", *DORA), "you are not in it"),
    "tail of another's conversation": (("tail", "CHAT", *DORA), "you are not in it"),
    "tail with people who never talked": (("tail", "ana", *DORA), "There is no conversation"),
    "a wrong password": (("history", "bruno", "--password", "wrong"), "wrong password"),
    "no server": (("history", "bruno", "--url", "NOWHERE"), "chat4all dev"),
    "bytes that are no text": (("history", "\udcff"), "not text"),
}


@pytest.fixture(scope="module")
def mistakes(server: Server, names: Mapping[str, str]) -> Ran:
    """What became of each. Nothing has been made for it."""
    real = {**names, "NOWHERE": f"http://127.0.0.1:{free_port()}"}

    def run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return chat4all(*(real.get(one, one) for one in arguments), environment={"CHAT4ALL_URL": server.url})

    found = together({name: functools.partial(run, arguments) for name, (arguments, _) in WRONG.items()})
    with client(server.url, "dora", PASSWORD) as http:
        assert http.get("/v1/conversations").json() == []
    return found


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_a_sentence(mistakes: Ran, name: str) -> None:
    assert WRONG[name][1] in refusal(mistakes[name])


@pytest.mark.parametrize(
    "options", [("-n", "0"), ("-n", "many"), ("--before", "0"), ("--kinds", "some"), ("--colour",)]
)
def test_an_option_that_is_none_is_refused_with_how_it_is_used(server: Server, options: Sequence[str]) -> None:
    done = chat4all("history", "bruno", *options, "--url", server.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: chat4all history" in done.stderr
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr
