"""Who is there, who writes, what is unread: what one sees of the others without a word."""

import asyncio

import pytest
from playwright.async_api import expect
from tests.browser.hub import DEADLINE
from tests.browser.pairs import talking
from tests.browser.test_races import state
from tests.browser.windows import DOWN

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_somebody_who_writes_is_seen_writing_until_he_stops_or_has_said_it(hub, desk):
    pair = await talking(hub, desk)
    await pair.bruno.box.press_sequentially("I was")
    writing = pair.ana.words.typing.format(pair.bruno.username)
    await expect(pair.ana.about).to_have_text(writing)
    await expect(pair.ana.about).to_have_text(pair.ana.words.online)
    await pair.bruno.box.press_sequentially(" about")
    await expect(pair.ana.about).to_have_text(writing)
    await pair.bruno.say("I was about to say")
    await expect(pair.ana.about).to_have_text(pair.ana.words.online)


async def test_presence_follows_a_window_that_closes_and_opens(hub, desk):
    pair = await talking(hub, desk)
    entry = pair.ana.entry(pair.bruno.username)
    await expect(pair.ana.about).to_have_text(pair.ana.words.online)
    await expect(entry).to_contain_text(pair.ana.words.online)
    await pair.bruno.page.close()
    await expect(pair.ana.about).to_contain_text(pair.ana.words.last_seen)
    await expect(entry).not_to_contain_text(pair.ana.words.online)
    await (await desk.window(hub)).log_in(pair.bruno.username)
    await expect(pair.ana.about).to_have_text(pair.ana.words.online)
    await expect(entry).to_contain_text(pair.ana.words.online)


async def test_conversations_stand_by_their_last_activity_and_keep_their_drafts(hub, desk):
    me, one, two = await hub.newcomers("me", "one", "two")
    chats = {name: await hub.conversation(me, name) for name in (one, two)}
    for name in (one, two):
        await hub.say(name, chats[name], f"from {name}")
    window = await (await desk.window(hub)).log_in(me)
    links = window.page.get_by_role("navigation").get_by_role("link")
    await expect(links).to_contain_text([two, one])
    await hub.say(one, chats[one], "again")
    await expect(links).to_contain_text([one, two])
    await expect(window.page).to_have_title("(3) Chat4All")
    for name in (one, two):
        await window.open(name)
        await window.box.fill(f"a draft for {name}")
    await window.open(one)
    await expect(window.box).to_have_value(f"a draft for {one}")
    await window.say("said")
    await window.open(two)
    await expect(window.box).to_have_value(f"a draft for {two}")
    await window.open(one)
    await expect(window.box).to_have_value("")


async def test_what_is_new_is_marked_where_it_begins(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    old = await hub.say(other, conversation, "old")
    await window.open(other)
    await expect(window.message("old")).to_be_visible()
    async with asyncio.timeout(DEADLINE):
        while await state(hub, other, old) != "read":
            await asyncio.sleep(0.05)
    await window.visit()
    await expect(window.entry(other)).to_be_visible()
    for text in ("new", "newer"):
        await hub.say(other, conversation, text)
    await expect(window.entry(other)).to_contain_text("2 unread messages")
    await window.open(other)
    await expect(window.message("new")).to_contain_text("2 new messages")
    for text in ("old", "newer"):
        await expect(window.message(text)).not_to_contain_text("new messages")


async def test_what_is_read_in_one_window_is_read_in_the_other(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    windows = [await (await desk.window(hub)).log_in(me) for _ in range(2)]
    await hub.say(other, conversation, "for both")
    for window in windows:
        await expect(window.entry(other)).to_contain_text(window.words.one_unread)
        await expect(window.page).to_have_title("(1) Chat4All")
    await windows[0].open(other)
    for window in windows:
        await expect(window.entry(other)).not_to_contain_text("unread")
        await expect(window.page).to_have_title("Chat4All")
    await windows[1].open(other)
    await windows[1].say("from the other window")
    await expect(windows[0].state("from the other window", "sent")).to_be_visible()


async def test_unread_messages_are_counted_once_however_often_the_connection_breaks(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    window.bears(*DOWN)
    await window.status_becomes(other, "online")
    for count in (2, 4, 6):
        for number in range(2):
            await hub.say(other, conversation, f"{number} of {count}")
        await expect(window.page).to_have_title(f"({count}) Chat4All")
        await window.page.context.set_offline(True)
        await expect(window.page.get_by_text("This device is offline.")).to_be_visible()
        await window.page.context.set_offline(False)
        await expect(window.page.get_by_text("This device is offline.")).to_be_hidden()
    await hub.say(other, conversation, "the last one")
    await expect(window.entry(other)).to_contain_text("7 unread messages")
    await window.open(other)
    await expect(window.log.locator(".text")).to_have_count(7)
    await expect(window.page).to_have_title("Chat4All")
