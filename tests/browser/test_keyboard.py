"""All of it without a mouse."""

import re

import pytest
from playwright.async_api import expect
from tests.browser.hub import PASSWORD
from tests.browser.keys import Keys

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_whole_story_without_a_mouse(hub, desk):
    me, other = await hub.newcomers("me", "other")
    window = await (await desk.window(hub)).visit()
    page, words = window.page, window.words
    await expect(page.get_by_label(words.username)).to_be_focused()
    await page.keyboard.type(me)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(words.no_conversations)).to_be_visible()

    await page.keyboard.press("Control+k")
    keys = Keys(window)
    await expect(window.dialog.get_by_label(words.username)).to_be_focused()
    await keys.write(other)
    await expect(window.dialog.get_by_role("button", name=words.chat_with.format(other))).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(window.heading(other)).to_be_visible()
    await expect(window.box).to_be_focused()

    await keys.write("first")
    await keys.press("Enter")
    await expect(window.state("first", words.sent)).to_be_visible()
    await keys.press("ArrowUp")
    await expect(window.box).to_have_value("first")
    await keys.write(" and edited")
    await keys.press("Enter")
    await expect(window.message("first and edited").get_by_text(words.edited, exact=True)).to_be_visible()
    await expect(window.box).to_be_focused()

    await keys.to_message("first and edited")
    await keys.press("r")
    await expect(page.get_by_text(f"Replying to {me}")).to_be_visible()
    await expect(window.box).to_be_focused()
    await keys.write("a reply")
    await keys.press("Enter")
    await expect(window.message("a reply").get_by_role("button").first).to_contain_text("first and edited")
    await expect(window.message("a reply")).to_have_attribute("data-seq", re.compile(r"\d"))

    await keys.to_message("a reply")
    await keys.press("Delete")
    await expect(window.dialog).to_be_visible()
    await keys.press("Tab")
    await expect(window.dialog.get_by_role("button", name=words.delete, exact=True)).to_be_focused()
    await keys.press("Enter")
    await expect(window.message(words.deleted)).to_be_visible()
    await window.focused()
    await keys.press("c")
    await expect(window.box).to_be_focused()


async def test_arrows_walk_from_message_to_message(keys):
    await keys.to_message("three")
    for key, text in (("ArrowUp", "two"), ("ArrowUp", "one"), ("ArrowDown", "two"), ("End", "three")):
        await keys.press(key)
        await expect(keys.window.message(text)).to_be_focused()
    await keys.press("ArrowDown")
    await expect(keys.window.message("three")).to_be_focused()
    await keys.press("Tab")
    await expect(keys.window.box).to_be_focused()


@pytest.mark.parametrize("key", ["e", "Delete"])
async def test_other_peoples_messages_have_no_key_for(keys, key):
    await keys.to_message("three")
    await keys.press(key)
    await expect(keys.window.dialog).to_have_count(0)
    await expect(keys.window.message("three")).to_be_focused()
    await expect(keys.window.box).to_have_value("")


async def test_a_quote_leads_to_its_message_without_a_mouse(keys):
    window = keys.window
    await keys.to_message("one")
    await keys.press("r")
    await keys.write("an answer")
    await keys.press("Enter")
    await expect(window.message("an answer")).to_have_attribute("data-seq", re.compile(r"\d"))
    await keys.to_message("an answer")
    await keys.press("Tab")
    await expect(window.message("an answer").get_by_role("button").filter(has_text="one")).to_be_focused()
    await keys.press("Enter")
    await expect(window.message("one")).to_be_focused()


async def test_a_key_that_is_written_is_a_character(keys):
    await keys.write("cr?e c r e ?")
    await expect(keys.window.box).to_have_value("cr?e c r e ?")
    await expect(keys.window.dialog).to_have_count(0)


async def test_alt_and_arrows_go_to_the_next_and_the_previous_conversation(hub, desk):
    me, others = await hub.newcomer("me"), await hub.newcomers("other", "other", "other")
    for other in others:
        await hub.say(other, await hub.conversation(me, other), f"from {other}")
    window = await (await desk.window(hub)).log_in(me)
    await window.open(others[2])  # the latest stands first
    keys = Keys(window)
    steps = (("Alt+ArrowDown", 1), ("Alt+ArrowDown", 0), ("Alt+ArrowDown", 0), ("Alt+ArrowUp", 1), ("Alt+ArrowUp", 2))
    for key, number in steps:
        await keys.press(key)
        await expect(window.heading(others[number])).to_be_visible()
        await expect(window.message(f"from {others[number]}")).to_be_visible()
        await expect(window.box).to_be_focused()
    current = window.page.get_by_role("navigation").locator("[aria-current]")
    await expect(current).to_contain_text(others[2])


async def test_the_list_is_walked_with_arrows_and_opened_with_enter(hub, desk):
    me, others = await hub.newcomer("me"), await hub.newcomers("other", "other")
    for other in others:
        await hub.say(other, await hub.conversation(me, other), f"from {other}")
    window = await (await desk.window(hub)).log_in(me)
    keys = Keys(window)
    for other in others:  # what is not there yet cannot be tabbed to
        await expect(window.entry(other)).to_be_visible()
    await window.page.get_by_role("button", name=window.words.log_out).focus()
    await keys.press("Tab")
    await expect(window.entry(others[1])).to_be_focused()
    await keys.press("ArrowDown")
    await expect(window.entry(others[0])).to_be_focused()
    await hub.say(others[0], await hub.client(me).conversation_with(others[0]), "now the first")
    await expect(window.page.get_by_role("navigation").get_by_role("link")).to_contain_text([others[0], others[1]])
    await expect(window.entry(others[0])).to_be_focused()
    await keys.press("Enter")
    await expect(window.heading(others[0])).to_be_visible()
    await expect(window.box).to_be_focused()


async def test_help_lists_the_keys(keys):
    window = keys.window
    await keys.to_message("two")
    await keys.press("?")
    dialog = window.page.get_by_role("dialog", name=window.words.keyboard)
    for key in ("Ctrl+K", "Alt+↓", "R", "E", "Delete", "Enter", "Escape", "?"):
        await expect(dialog.get_by_text(key, exact=True)).to_be_visible()
