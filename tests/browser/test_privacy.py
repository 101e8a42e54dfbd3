"""The token is kept by one tab alone, and logging out leaves nothing behind."""

import pytest
from playwright.async_api import expect
from tests.browser.hub import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_token_is_in_the_storage_of_this_tab_alone(hub, desk):
    me, other = await hub.newcomers("me", "other")
    await hub.conversation(me, other)
    window = await desk.window(hub)
    async with window.page.expect_response("**/token") as answered:
        await window.log_in(me)
    token = (await (await answered.value).json())["access_token"]
    await window.open(other)
    await window.say("hello")
    await expect(window.state("hello", window.words.sent)).to_be_visible()
    page = window.page
    assert token in await page.evaluate("() => JSON.stringify({ ...sessionStorage })")
    assert await page.evaluate("() => ({ ...localStorage })") == {}
    assert await page.evaluate("() => document.cookie") == ""
    assert await page.context.cookies() == []
    assert await page.evaluate("() => indexedDB.databases()") == []
    assert await page.evaluate("() => caches.keys()") == []
    assert await page.evaluate("() => navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    assert token not in page.url
    assert token not in await page.content()
    assert all(token not in line.url for line in window.lines)
    kept = await page.evaluate("() => JSON.stringify([{ ...sessionStorage }, history.state])")
    assert PASSWORD not in kept


async def test_logging_out_ends_it_all(hub, desk):
    me, other = await hub.newcomers("me", "other")
    await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    await window.open(other)
    await window.say("the last words")
    await expect(window.state("the last words", window.words.sent)).to_be_visible()
    await window.status_becomes(other, "online")
    await window.page.get_by_role("button", name=window.words.log_out).click()
    await expect(window.page.get_by_role("button", name=window.words.log_in, exact=True)).to_be_visible()
    # By the server's word: Chromium does not always tell of a WebSocket's end when its page goes as well.
    await window.status_becomes(other, "offline")
    opened = len(window.lines)
    assert await window.page.evaluate("() => ({ ...sessionStorage })") == {}
    for go in (window.page.go_back, window.page.go_forward, window.page.reload):
        await go()
        if window.page.url.startswith(hub.url):
            await expect(window.page.get_by_role("button", name=window.words.log_in, exact=True)).to_be_visible()
        await expect(window.page.get_by_text("the last words")).to_have_count(0)
    assert len(window.lines) == opened, "none is opened again"
    assert await hub.status(other, me) == "offline"


async def test_who_logs_out_with_unsent_messages_is_asked_first(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    window.bears("Failed to load resource")
    await window.open(other)
    await window.page.route("**/v1/messages", lambda route: route.abort())
    await window.say("unsent")
    await window.page.get_by_role("button", name=window.words.log_out).click()
    await expect(window.dialog).to_contain_text("1 message has not been sent yet")
    await window.dialog.get_by_role("button", name=window.words.cancel, exact=True).click()
    await expect(window.message("unsent")).to_be_visible()
    await window.page.get_by_role("button", name=window.words.log_out).click()
    await window.dialog.get_by_role("button", name=window.words.log_out, exact=True).click()
    await expect(window.page.get_by_role("button", name=window.words.log_in, exact=True)).to_be_visible()
    await window.page.unroute("**/v1/messages")
    await window.log_in(me)
    await window.open(other)
    assert await window.texts() == []
    assert await hub.contents(me, conversation) == []


async def test_two_tabs_can_be_two_people(hub, desk):
    me, other = await hub.newcomers("me", "other")
    await hub.conversation(me, other)
    one = await (await desk.window(hub)).log_in(me)
    two = await desk.window(hub, beside=one)
    await two.visit()
    await expect(two.page.get_by_role("button", name=two.words.log_in, exact=True)).to_be_visible()
    await two.log_in(other)
    await two.open(me)
    await two.say("from two")
    await one.page.bring_to_front()
    await one.page.reload()
    await one.open(other)
    await one.say("from one")
    for window in (one, two):
        await window.page.bring_to_front()
        for text in ("from two", "from one"):
            await expect(window.message(text)).to_be_visible()


async def test_the_demo_offers_a_second_window_for_the_other_one(hub, desk):
    window = await (await desk.window(hub)).log_in("ana", "demo")
    async with window.page.context.expect_page() as opened:
        await window.page.get_by_role("link", name="Open a second window as bruno").click()
    second = desk.watch(await opened.value, hub)
    await expect(second.page.get_by_label(second.words.username)).to_have_value("bruno")
    await expect(second.page.get_by_label(second.words.password)).to_be_focused()
    await second.page.get_by_label(second.words.password).fill("demo")
    await second.page.keyboard.press("Enter")
    await expect(second.side.get_by_text("bruno", exact=True)).to_be_visible()
    assert await second.page.evaluate("() => window.opener") is None
