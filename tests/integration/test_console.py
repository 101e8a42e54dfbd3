"""The console as it is served: its files, and a policy by which a page can do nothing but what ours does."""

import re
from pathlib import Path
from typing import Final

import pytest
from tests.integration.conftest import Start
from tests.integration.people import System, expected, refused

import chat4all
from chat4all.model.reasons import REASONS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONSOLE: Final = Path(chat4all.__file__).parent / "console"
FILES: Final = sorted(str(file.relative_to(CONSOLE)) for file in CONSOLE.rglob("*") if file.is_file())
TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@pytest.mark.parametrize("path", ["/", "/console/welcome.json", *(f"/console/{name}" for name in FILES)])
async def test_every_file_comes_with_the_policy(system: System, path: str) -> None:
    answer = expected(await system.stranger().call("GET", path), 200)
    directives = dict(one.strip().split(" ", 1) for one in answer.headers["Content-Security-Policy"].split(";"))
    assert directives == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-cache"
    if (suffix := Path(path).suffix) in TYPES:
        assert answer.headers["Content-Type"].startswith(TYPES[suffix])


async def test_a_file_that_has_not_changed_is_not_sent_again(system: System) -> None:
    first = expected(await system.stranger().call("GET", "/console/main.js"), 200)
    again = await system.stranger().call("GET", "/console/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/nothing.js",
        "/console/views",
        "/console/%2e%2e/client.py",
        "/console/..%2fclient.py",
        "/console/%2fetc%2fpasswd",
        "/console/%00",
        "/console/" + "x" * 5000,
    ],
)
async def test_nothing_else_is_served(system: System, path: str) -> None:
    refused(await system.stranger().call("GET", path), 404, "not-found")


async def test_the_page_has_no_script_or_style_of_its_own_and_names_no_other_host() -> None:
    for name in FILES:
        text = (CONSOLE / name).read_text()
        allowed = text.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.search(r"https?://\w", allowed), name
        assert not re.search(r"\bon\w+=|<style|javascript:|style=\"", text) or name.endswith(".js"), name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage", text), (
            name
        )
    page = (CONSOLE / "index.html").read_text()
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="console/main.js">']


async def test_both_languages_say_the_same_things() -> None:
    keys = {
        name: re.findall(r"^  (\w+): ", (CONSOLE / "texts" / f"{name}.js").read_text(), re.MULTILINE)
        for name in ("en", "pt")
    }
    assert keys["en"] == keys["pt"]
    assert len(set(keys["en"])) == len(keys["en"])
    code = "".join((CONSOLE / name).read_text() for name in FILES if name.endswith(".js") and "texts/" not in name)
    said = set(re.findall(r'["`](\w+)["`$]', code)) | {f"what_{what}" for what in re.findall(r'"(\w+)"', code)}
    said |= {f"{part}_{code}" for part in ("reason", "advice") for code in REASONS}
    assert set(keys["en"]) <= said, "texts that nobody says"


async def test_it_welcomes_the_demo_users_whose_password_everyone_knows(system: System) -> None:
    welcome = expected(await system.stranger().call("GET", "/console/welcome.json"), 200).json()
    assert welcome["registration"] == "open"
    assert [one["username"] for one in welcome["demo"]] == ["ana", "bruno", "admin"]
    for one in welcome["demo"]:
        expected(await system.stranger().call("POST", "/token", data=one), 200)


async def test_it_says_when_nobody_may_register(start: Start) -> None:
    closed = await start(accounts={"registration": "admins"})
    welcome = expected(await closed.stranger().call("GET", "/console/welcome.json"), 200).json()
    assert welcome["registration"] == "admins"


async def test_a_list_of_conversations_says_who_is_here(system: System) -> None:
    ana, bruno, _ = await system.pair()
    expected(await bruno.call("POST", "/v1/presence/heartbeat", json={"status": "away"}), 200)
    listed = (await ana.get("/v1/conversations"))[0]
    assert listed["present"] == {"bruno": "away"}
    expected(await bruno.call("POST", "/v1/presence/heartbeat", json={"status": "offline"}), 200)
    assert (await ana.get("/v1/conversations"))[0]["present"] == {}
