"""Whatever people write stays text, and what the page may do is strict."""

import asyncio
import re
import time
from typing import Final, NamedTuple

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from tests.browser.hub import DEADLINE, Hub
from tests.browser.windows import Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAYLOADS: Final = {
    "a script": "<script>window.pwned=1</script>",
    "an image with a handler": '<img src=x onerror="window.pwned=1">',
    "out of an attribute": "\"'><svg onload=window.pwned=1>",
    "out of a text area": "</textarea></title></style><script>window.pwned=1</script>",
    "a frame": '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
    "a javascript address": "javascript:window.pwned=1",
    "a javascript address in disguise": "JaVaScRiPt:window.pwned=1//https://",
    "a link of Markdown": "[click](javascript:window.pwned=1)",
    "a data address": "data:text/html,<script>window.pwned=1</script>",
    "a template": "{{constructor.constructor('window.pwned=1')()}} ${window.pwned=1} <%= 7*7 %>",
    "entities": "&lt;script&gt;&#60;b&#62;&amp;",
    "an escape of its own place": "{name} {count} $& $1 $$",
    "text turned around": "\u202egnp.exe\u202c \u2066\u2067left open",
    "combining characters only": "\u0300\u0301\u0302" * 20,
    "signs that nobody sees": "\u200b\u200d\ufeff.\u00ad",
    "ten thousand characters": "<b>9876543" * 1000,
    "ten thousand characters in a line": "W" * 10_000,
}
_ELEMENTS: Final = "all => all.flatMap((one) => [...one.querySelectorAll('*')].map((inner) => inner.localName)).sort()"
_FITS: Final = "() => document.documentElement.scrollWidth <= innerWidth && document.body.scrollWidth <= innerWidth"


class Reading(NamedTuple):
    """Somebody who reads what another one, at a client of their own, writes."""

    window: Window
    writer: str
    conversation: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reading(hub: Hub, shared_desk: Desk) -> Reading:
    reader, writer = await hub.newcomers("reader", "writer")
    conversation = await hub.conversation(reader, writer)
    await hub.say(writer, conversation, "nothing but text")
    window = await (await shared_desk.window(hub)).log_in(reader)
    await window.open(writer)
    await expect(window.message("nothing but text")).to_be_visible()
    return Reading(window, writer, conversation)


async def becomes(place: Locator, text: str, *, part: bool = False) -> None:
    """Wait until this is there to the letter; what Playwright expects, it expects with white space made even."""
    end = time.monotonic() + DEADLINE
    while (now := await place.evaluate("(one) => one.textContent")) != text and not (part and text in now):
        assert time.monotonic() < end, f"{now!r} where {text!r} was expected"
        await asyncio.sleep(0.01)


def line(text: str) -> str:
    """The beginning, as a list has room for."""
    return re.sub(r"[\s\ufeff]+", " ", text[:100]).strip(" ")


def payloads() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("payload", [pytest.param(text, id=name) for name, text in PAYLOADS.items()])


@payloads()
async def test_what_somebody_writes_stays_text(reading, hub, payload):
    window, writer, conversation = reading
    plain = await window.message("nothing but text").evaluate_all(_ELEMENTS)
    edited = f"edited {payload}"[:10_000]
    message = await hub.say(writer, conversation, payload)
    said = window.log.get_by_role("article").last
    await becomes(said.locator(".text"), payload)
    inside = await said.evaluate_all(_ELEMENTS)
    assert set(inside) <= set(plain), "no element but those of every message"
    assert len(inside) <= len(plain)
    await becomes(window.entry(writer).locator(".preview"), line(payload), part=True)

    await hub.client(writer).call("PATCH", f"/v1/messages/{message}", {"content": edited})
    await becomes(said.locator(".text"), edited)

    await hub.say(writer, conversation, "an answer", reply_to=message)
    quote = window.log.get_by_role("article").last.get_by_role("button").first
    await becomes(quote, edited, part=True)
    assert await window.page.evaluate("() => window.pwned") is None
    assert await window.page.evaluate(_FITS), "nothing reaches beyond the page"
    window.assert_well()


@payloads()
async def test_what_one_writes_oneself_stays_text(reading, hub, payload):
    window, _, conversation = reading
    await window.box.fill(payload)
    await window.box.press("Enter")
    said = window.log.get_by_role("article").last
    await becomes(said.locator(".text"), payload)
    await expect(said.get_by_role("img", name=re.compile("^(sent|delivered|read)$"))).to_be_visible()
    await expect(window.box).to_have_value("")
    await window.box.press("ArrowUp")  # edit it: in the box, and above it
    await expect(window.box).to_have_value(payload)
    await window.box.press("Escape")
    assert await window.page.evaluate("() => window.pwned") is None
    assert await window.page.evaluate(_FITS)
    async with asyncio.timeout(DEADLINE):
        while (await hub.contents(window.username, conversation))[-1:] != [payload]:
            await asyncio.sleep(0.02)
    window.assert_well()


@pytest.mark.parametrize(
    "title",
    [pytest.param(text[:1024], id=name) for name, text in PAYLOADS.items() if "ten thousand" not in name]
    + [pytest.param("W" * 1024, id="a thousand characters")],
)
async def test_a_title_stays_text(hub, reading, title):
    window, writer, _ = reading
    group = await hub.conversation(writer, window.username, title=title)
    await hub.say(writer, group, f"in group {group}")
    entry = window.page.get_by_role("navigation").get_by_role("link").filter(has_text=group)
    await becomes(entry.locator(".title"), title)
    await entry.click()
    await expect(window.message(f"in group {group}")).to_be_visible()
    await becomes(window.page.get_by_role("main").get_by_role("heading").last, title)
    assert title in str(await window.page.get_by_role("main").get_by_role("textbox").get_attribute("placeholder"))
    assert title in str(await window.log.get_attribute("aria-label"))
    await window.open(writer)
    assert await window.page.evaluate("() => window.pwned") is None
    assert await window.page.evaluate(_FITS)
    window.assert_well()


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("see https://example.org/a?b=c#d.", ["https://example.org/a?b=c#d"]),
        ("(http://example.org) and https://example.com!", ["http://example.org", "https://example.com"]),
        ("https://example.org/<script>", ["https://example.org/"]),
        ('https://example.org/"onclick="window.pwned=1', ["https://example.org/"]),
        ("javascript:alert(1) data:text/html,x vbscript:x file:///etc/passwd ftp://example.org //example.org", []),
        ("javascript:fetch('https://example.org/x')", ["https://example.org/x"]),
        ("https:// http://", []),
    ],
)
async def test_only_addresses_of_the_web_are_links_and_they_know_nothing_of_us(reading, hub, text, addresses):
    window, writer, conversation = reading
    await hub.say(writer, conversation, text)
    said = window.log.get_by_role("article").last
    await expect(said.locator(".text")).to_have_text(text)
    links = said.locator("a")
    assert await links.evaluate_all("all => all.map((one) => one.getAttribute('href'))") == addresses
    assert await links.evaluate_all("all => all.map((one) => one.textContent)") == addresses, "goes where it says"
    for link in await links.all():
        assert await link.get_attribute("target") == "_blank"
        assert "noopener" in str(await link.get_attribute("rel")).split()


async def test_the_policy_is_strict_and_nothing_stands_in_the_page_itself(hub):
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=DEADLINE) as http:
        page = await http.get("/")
        module = await http.get("/console/main.js")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(one.strip().split(" ", 1) for one in page.headers["Content-Security-Policy"].split(";"))
    assert policy == {
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
    for answer in (page, module):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    scripts = re.findall(r"<script\b([^>]*)>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    assert all("src=" in attributes and not inner.strip() for attributes, inner in scripts)
    assert not re.search(r"<style|\bstyle=|\bon\w+\s*=|javascript:|https?://", page.text, re.IGNORECASE)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'pwned=1'}))", id="inline"
        ),
        pytest.param("document.body.innerHTML = '<img src=x onerror=pwned=1>'", id="HTML from text"),
        pytest.param("document.body.setAttribute('onclick', 'pwned=1'); document.body.click()", id="a handler"),
        pytest.param(
            "document.head.append(Object.assign(document.createElement('style'), {textContent: '*{color:red}'}))",
            id="style",
        ),
        pytest.param("fetch('http://127.0.0.2:9/')", id="another host"),
        pytest.param("setTimeout('pwned=1')", id="a text as code"),
    ],
)
async def test_what_the_policy_forbids_does_not_happen(hub, desk, attempt):
    window = await (await desk.window(hub)).visit()
    await expect(window.page.get_by_label(window.words.password)).to_be_visible()
    said = window.page.expect_console_message(lambda message: message.text.startswith("The policy was violated"))
    async with said:
        await window.page.evaluate(f"() => {{ setTimeout(() => {{ {attempt} }}) }}")
    assert window.faults, "a test would fail"
    assert await window.page.evaluate("() => window.pwned") is None
    window.faults.clear()
