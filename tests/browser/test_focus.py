"""The focus is never lost: it comes back from every dialog, and stays on what changes below it."""

import re

import pytest
from playwright.async_api import expect
from tests.browser.hub import PASSWORD
from tests.browser.test_connection import MESSAGES
from tests.browser.test_races import Held

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_after_logging_in_the_focus_is_on_the_page(hub, desk):
    me = await hub.newcomer("me")
    window = await (await desk.window(hub)).visit()
    await expect(window.page.get_by_label(window.words.username)).to_be_focused()
    await window.page.keyboard.type(me)
    await window.page.keyboard.press("Tab")
    await window.page.keyboard.type(PASSWORD)
    await window.page.keyboard.press("Enter")
    await expect(window.page.get_by_text(window.words.no_conversations)).to_be_visible()
    await window.focused()


async def test_the_focus_is_not_taken_from_who_has_begun_while_it_loads(hub, desk):
    me, other = await hub.newcomer("me"), await hub.newcomer("other")
    await hub.say(other, await hub.conversation(me, other), "hello")
    window, held = await desk.window(hub), Held()
    await window.page.route("**/v1/users?*", held)
    await window.log_in(me)
    await held.asked.wait()
    await expect(window.entry(other)).to_be_visible()
    log_out = window.page.get_by_role("button", name=window.words.log_out)
    await log_out.focus()
    held.released.set()
    await window.status_becomes(me, "online")  # all that belongs to the start is over
    await expect(log_out).to_be_focused()


async def test_the_focus_stays_on_a_message_while_it_is_sent(keys):
    window = keys.window
    window.bears("Failed to load resource")
    await window.page.route(MESSAGES, lambda route: route.abort())
    await keys.write("in between")
    await keys.press("Enter")
    await keys.to_message("in between")
    await window.page.unroute(MESSAGES)
    await expect(window.message("in between")).to_have_attribute("data-seq", re.compile(r"\d"))
    await window.focused()
    await expect(window.message("in between")).to_be_focused()


async def test_the_focus_stays_on_a_message_while_others_come_and_it_is_read(keys, hub, desk):
    window = keys.window
    await keys.to_message("one")
    second = await (await desk.window(hub)).log_in(keys.other)
    await second.open(keys.title)
    await expect(window.state("one", window.words.read)).to_be_visible()
    await second.say("four")
    await expect(window.message("four")).to_be_visible()
    await expect(window.message("one")).to_be_focused()


@pytest.mark.parametrize("yes", [True, False])
async def test_delete_asks_and_the_focus_comes_back(keys, yes):
    window = keys.window
    await keys.to_message("two")
    await keys.press("Delete")
    await expect(window.dialog.get_by_role("button", name=window.words.cancel, exact=True)).to_be_focused()
    await keys.press(*(["Tab", "Enter"] if yes else ["Enter"]))
    await expect(window.dialog).to_have_count(0)
    if yes:
        await expect(window.message(window.words.deleted)).to_be_focused()
    else:
        await expect(window.message("two")).to_be_focused()


async def test_enter_says_where_a_message_is_and_escape_leads_back_to_it(keys):
    window = keys.window
    await keys.to_message("two")
    await keys.press("Enter")
    await expect(window.dialog.get_by_role("cell", name=window.words.accepted)).to_be_visible()
    await window.focused()
    await keys.press("Escape")
    await expect(window.dialog).to_have_count(0)
    await expect(window.message("two")).to_be_focused()


async def test_escape_closes_each_dialog_and_the_focus_comes_back(keys):
    window = keys.window
    for key, name in (("Control+k", "Find people"), ("?", window.words.keyboard)):
        await keys.to_message("two")
        await keys.press(key)
        await expect(window.page.get_by_role("dialog", name=name)).to_be_visible()
        await keys.press("Escape")
        await expect(window.dialog).to_have_count(0)
        await expect(window.message("two")).to_be_focused()
        await keys.press("c")


async def test_escape_closes_the_finder_whatever_is_written_in_it(keys):
    window = keys.window
    await keys.press("Control+k")
    await keys.write("somebody")
    await keys.press("Escape")
    await expect(window.dialog).to_have_count(0)
    await expect(window.box).to_be_focused()


async def test_escape_ends_a_reply_and_an_edit_and_keeps_what_was_being_written(keys):
    window = keys.window
    await keys.write("a draft")
    for key, label in (("r", "Replying to"), ("e", window.words.save_hint)):
        await keys.to_message("two")
        await keys.press(key)
        await expect(window.page.get_by_text(label)).to_be_visible()
        await keys.press("Escape")
        await expect(window.page.get_by_text(label)).to_be_hidden()
        await expect(window.box).to_be_focused()
        await expect(window.box).to_have_value("a draft")


async def test_escape_leaves_the_conversation_and_the_focus_is_in_the_list(keys):
    await keys.window.page.keyboard.press("Escape")
    await expect(keys.window.box).to_be_hidden()
    await keys.window.focused()
    await expect(keys.window.entry(keys.title)).to_be_focused()
