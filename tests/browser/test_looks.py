"""What it looks like: on a phone, in the dark, from right to left, in the browser's language."""

from typing import Any, Final

import pytest
from playwright.async_api import expect
from tests.browser.hub import Hub
from tests.browser.windows import Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: Final[dict[str, Any]] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALLEST: Final[dict[str, Any]] = {"viewport": {"width": 320, "height": 568}}
DESK: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 720}}

# What reaches beyond the window's sides, and what has to be scrolled sideways. What is cut off with dots is neither.
_BEYOND: Final = """() => [...document.documentElement.querySelectorAll("body, body *")].filter((one) => {
  const { left, right, width, height } = one.getBoundingClientRect();
  if (width <= 1 || height <= 1) return false;
  const cuts = (one) => getComputedStyle(one).overflowX !== "visible";
  const cut = (within) => within !== document.body && (cuts(within) || cut(within.parentElement));
  const outside = left < -1 || right > document.documentElement.clientWidth + 1;
  if (outside && one !== document.body && !cut(one.parentElement)) return true;
  return /auto|scroll/.test(getComputedStyle(one).overflowX) && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.outerHTML.slice(0, 200))"""
_SCROLLS: Final = "() => document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"
_BRIGHTNESS: Final = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const brightness = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return (red + green + blue) / 765;
  };
  const { backgroundColor, color } = getComputedStyle(document.body);
  return [brightness(backgroundColor), brightness(color)];
}"""


async def talking(hub: Hub, desk: Desk, **context: Any) -> tuple[Window, str]:
    """Somebody who has a conversation with long and short messages in it; the other one."""
    me, other = await hub.newcomers("me", "other-with-a-name-that-is-as-long-as-it-may-be-really")
    conversation = await hub.conversation(me, other)
    await hub.say(other, conversation, "W" * 500)
    await hub.say(me, conversation, "https://example.org/" + "path/" * 100)
    await hub.say(other, conversation, "short")
    window = await (await desk.window(hub, **context)).log_in(me)
    return window, other


async def test_a_phone_shows_the_list_or_the_conversation_with_a_way_back(hub, desk):
    window, other = await talking(hub, desk, **PHONE)
    back = window.page.get_by_role("button", name=window.words.back)
    await expect(window.entry(other)).to_be_visible()
    await expect(back).to_be_hidden()
    for _ in range(2):
        await window.entry(other).tap()
        await expect(window.message("short")).to_be_in_viewport()
        await expect(window.box).to_be_in_viewport()
        await expect(window.side).to_be_hidden()
        await back.tap()
        await expect(window.entry(other)).to_be_visible()
        await expect(window.box).to_be_hidden()
    await window.entry(other).tap()
    await expect(window.box).to_be_visible()
    await window.page.go_back()
    await expect(window.entry(other)).to_be_visible()
    await expect(window.box).to_be_hidden()


async def test_a_finger_finds_what_one_can_do_with_a_message(hub, desk):
    window, other = await talking(hub, desk, **PHONE)
    await window.entry(other).tap()
    await window.message("short").tap()
    await window.message("short").get_by_role("button", name=window.words.reply, exact=True).tap()
    await expect(window.page.get_by_text("Replying to")).to_be_visible()
    await window.say("from a phone")
    await expect(window.message("from a phone")).to_be_in_viewport()


async def test_a_wide_window_shows_both_without_a_way_back(hub, desk):
    window, other = await talking(hub, desk, **DESK)
    await window.open(other)
    await expect(window.side).to_be_visible()
    await expect(window.page.get_by_role("button", name=window.words.back)).to_be_hidden()


@pytest.mark.parametrize(
    "context", [pytest.param(SMALLEST, id="320"), pytest.param(PHONE, id="390"), pytest.param(DESK, id="1280")]
)
async def test_nothing_reaches_beyond_the_window(hub, desk, context):
    stranger = await (await desk.window(hub, **context)).visit()
    await expect(stranger.page.get_by_role("button", name="Log in as ana")).to_be_visible()
    window, other = await talking(hub, desk, **context)
    page, words = window.page, window.words

    async def fits(where: str) -> None:
        for one in (stranger.page, page):
            assert await one.evaluate(_BEYOND) == [], where
            assert not await one.evaluate(_SCROLLS), where

    await fits("list")
    await page.get_by_role("button", name=words.new_conversation).click()
    await window.dialog.get_by_label(words.username).fill(other)
    await expect(window.dialog.get_by_role("button", name=words.chat_with.format(other))).to_be_visible()
    await fits("finding people")
    await window.dialog.get_by_role("button", name=words.close).click()
    await page.get_by_role("button", name=words.keyboard).click()
    await fits("keyboard")
    await page.keyboard.press("Escape")
    await window.open(other)
    await expect(window.message("short")).to_be_in_viewport()
    await fits("conversation")
    await window.box.fill("a\n" * 30)
    await fits("a long draft")
    await expect(window.log).to_be_in_viewport()
    await window.box.fill("")
    await window.log.get_by_role("article").last.focus()
    await page.keyboard.press("Enter")
    await expect(window.dialog.get_by_role("cell", name=words.accepted)).to_be_visible()
    await fits("timeline")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_as_dark_as_the_system(hub, desk, scheme):
    window = await (await desk.window(hub, color_scheme=scheme)).visit()
    await expect(window.page.get_by_label(window.words.password)).to_be_visible()
    ground, text = await window.page.evaluate(_BRIGHTNESS)
    if scheme == "dark":
        assert ground < 0.2
        assert text > 0.8
    else:
        assert ground > 0.8
        assert text < 0.2


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("مرحبا، كيف حالك؟", "rtl"),
        ("שלום", "rtl"),
        ("hello", "ltr"),
        ("مرحبا hello", "rtl"),
        ("hello مرحبا", "ltr"),
        ("2026: مرحبا", "rtl"),
    ],
)
async def test_each_message_has_its_own_direction(hub, typist, text, direction):
    window, other = typist
    conversation = await hub.conversation(other, window.username, title=f"about {text}")
    await hub.say(other, conversation, text)
    await window.open(f"about {text}")
    said = window.message(text).locator(".text")
    assert await said.evaluate("(one) => getComputedStyle(one).direction") == direction
    assert await window.page.evaluate("() => getComputedStyle(document.body).direction") == "ltr"
    await window.box.fill(text)
    assert await window.box.evaluate("(one) => getComputedStyle(one).direction") == direction


@pytest.mark.parametrize(
    ("locale", "language", "title"),
    [
        ("pt-BR", "pt-BR", "Entrar"),
        ("pt-PT", "pt-PT", "Entrar"),
        ("en-US", "en-US", "Log in"),
        ("en-GB", "en-GB", "Log in"),
        ("de-DE", "en", "Log in"),
        ("ar-EG", "en", "Log in"),
    ],
)
async def test_the_page_speaks_the_browsers_language_or_english(hub, desk, locale, language, title):
    window = await (await desk.window(hub, locale)).visit()
    await expect(window.page.get_by_role("button", name=title, exact=True)).to_be_visible()
    assert await window.page.evaluate("() => document.documentElement.lang") == language
