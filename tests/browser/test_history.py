"""Ten thousand messages: all can be scrolled to, few are drawn at once, and what is looked at stays where it is."""

import asyncio
from typing import Final, NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import expect
from tests.browser.hub import DEADLINE, Hub
from tests.browser.scrolling import Scroll
from tests.browser.windows import DOWN, Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES: Final = 10_000
DRAWN: Final = 500  # articles at once, at most
MISSED: Final = 1_100  # more than the server pushes
STILL: Final = 2  # pixels


class Long(NamedTuple):
    """A conversation of ten thousand messages, and who is in it."""

    conversation: str
    reader: str
    writer: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long(hub: Hub) -> Long:
    reader, writer = await hub.newcomers("reader", "writer")
    conversation = await hub.conversation(reader, writer)
    await hub.flood(writer, conversation, MESSAGES)
    return Long(conversation, reader, writer)


async def reading(long: Long, hub: Hub, desk: Desk) -> tuple[Window, Scroll]:
    """The reader, who looks at the newest messages."""
    window = await (await desk.window(hub)).log_in(long.reader)
    await window.open(long.writer)
    await expect(window.log.get_by_role("article").last).to_be_in_viewport()
    return window, await Scroll.of(window)


async def test_every_message_can_be_scrolled_to_and_few_are_drawn_at_once(long, hub, desk):
    window, scroll = await reading(long, hub, desk)
    newest = await scroll.edge(last=True)
    assert newest >= MESSAGES
    assert await scroll.to_beginning() < STILL, "older messages come in above, and what is looked at does not move"
    await scroll.to_edge(last=False)
    await expect(window.log.get_by_text("The conversation begins here.")).to_be_in_viewport()
    watched = await scroll.watched()
    assert watched["seen"] == list(range(1, newest + 1))
    assert not watched["wrong"], "rising and without holes at every moment"
    assert watched["most"] < DRAWN

    await scroll.to_end(newest)
    await expect(window.log.get_by_role("article").last).to_be_in_viewport()
    watched = await scroll.watched()
    assert not watched["wrong"]
    assert watched["most"] < DRAWN


async def test_at_the_very_top_older_messages_come_in_above_what_is_looked_at(long, hub, desk):
    _, scroll = await reading(long, hub, desk)
    for _ in range(5):
        assert await scroll.up(0) < STILL
    assert not (await scroll.watched())["wrong"]


@pytest.mark.parametrize("by", ["wheel", "keyboard"])
async def test_one_can_scroll_up_by(long, hub, desk, by):
    window, scroll = await reading(long, hub, desk)
    newest = await scroll.edge(last=True)
    await window.log.hover()
    await window.log.focus()
    async with asyncio.timeout(DEADLINE):
        while await scroll.edge() > newest - 500:
            await (window.page.mouse.wheel(0, -1_000) if by == "wheel" else window.page.keyboard.press("PageUp"))
    watched = await scroll.watched()
    assert watched["seen"] == list(range(watched["seen"][0], newest + 1))
    assert not watched["wrong"]


async def test_a_new_message_does_not_move_one_who_reads_older_ones(long, hub, desk):
    window, scroll = await reading(long, hub, desk)
    await scroll.up()
    await scroll.to_middle()
    await expect(window.page.get_by_role("button", name="To the newest message")).to_be_visible()
    before = await scroll.place()
    for count, pill in enumerate(("1 new message", "2 new messages", "3 new messages"), 1):
        await hub.say(long.writer, long.conversation, f"while you read, {count}")
        await expect(window.page.get_by_role("button", name=pill, exact=True)).to_be_visible()
        now = await scroll.place(before["seq"])
        assert abs(now["top"] - before["top"]) < STILL
    await window.page.get_by_role("button", name=pill, exact=True).click()
    await expect(window.message("while you read, 3")).to_be_in_viewport()
    await expect(window.page.get_by_role("button", name=pill)).to_be_hidden()


async def test_ones_own_message_is_seen_wherever_one_was(long, hub, desk):
    window, scroll = await reading(long, hub, desk)
    for _ in range(6):  # so far that the newest are not drawn any more
        await scroll.up()
    await window.say("and what do I say?")
    await expect(window.message("and what do I say?")).to_be_in_viewport()
    await expect(window.state("and what do I say?", window.words.sent)).to_be_visible()


async def test_a_message_far_back_that_is_answered_is_loaded_by_a_click_on_the_quote(long, hub, desk):
    old = (await hub.page(long.reader, long.conversation, after=MESSAGES // 2))[0]
    text = f"an answer to number {old['seq']}"
    await hub.say(long.writer, long.conversation, text, reply_to=old["message_id"])
    window, scroll = await reading(long, hub, desk)
    quote = window.message(text).get_by_role("button").filter(has_text=old["content"])
    await quote.click()
    quoted = window.log.locator(f"article[data-seq='{old['seq']}']")
    await expect(quoted).to_be_in_viewport()
    await expect(quoted).to_be_focused()
    watched = await scroll.watched()
    assert not watched["wrong"]
    assert watched["most"] < DRAWN


async def test_more_than_is_pushed_was_missed_and_the_newest_are_there_without_holes(hub, desk):
    ana, bruno, carla = await hub.newcomers("ana", "bruno", "carla")
    group = await hub.conversation(ana, bruno, carla, title="Busy")
    await hub.flood(ana, group, 150)
    reads, waits = [await (await desk.window(hub)).log_in(name) for name in (bruno, carla)]
    await reads.open("Busy")
    await expect(reads.log.locator("article[data-seq='150']")).to_be_in_viewport()
    for window in (reads, waits):
        window.bears(*DOWN)
        await window.status_becomes(ana, "online")
        await window.page.context.set_offline(True)
        await expect(window.page.get_by_text("This device is offline.")).to_be_visible()
    await hub.flood(ana, group, MISSED)
    await hub.say(ana, group, "the newest")
    scroll = await Scroll.of(reads)
    for window in (reads, waits):
        await window.page.context.set_offline(False)
    newest = 150 + MISSED + 1
    await expect(reads.log.locator(f"article[data-seq='{newest}']")).to_be_in_viewport()
    while await scroll.edge() > 100:
        await scroll.up()
    watched = await scroll.watched()
    assert not watched["wrong"], "no holes at any moment"
    assert set(range(100, newest + 1)) <= set(watched["seen"])

    entry = waits.entry("Busy")
    await expect(entry.get_by_text(f"{ana}: the newest", exact=True)).to_be_visible()
    await expect(entry).to_contain_text("99 or more unread messages")
    await hub.say(ana, group, "and one more")
    await waits.open("Busy")
    await expect(waits.message("and one more")).to_be_in_viewport()
    await expect(waits.page).to_have_title("Chat4All")


async def test_after_more_was_missed_than_is_pushed_what_is_looked_at_is_not_unread(hub, desk):
    ana, bruno = await hub.newcomers("ana", "bruno")
    conversation = await hub.conversation(ana, bruno)
    window = await (await desk.window(hub)).log_in(bruno)
    window.bears(*DOWN)
    await window.open(ana)
    await window.status_becomes(ana, "online")
    await window.page.context.set_offline(True)
    await expect(window.page.get_by_text("This device is offline.")).to_be_visible()
    await hub.flood(ana, conversation, MISSED)
    await window.page.context.set_offline(False)
    await expect(window.log.locator(f"article[data-seq='{MISSED}']")).to_be_in_viewport()
    await expect(window.entry(ana)).not_to_contain_text("unread")
    await expect(window.page).to_have_title("Chat4All")
