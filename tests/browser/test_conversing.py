"""Two people in two windows, one in Portuguese and one in English: each sees what the other does, as it happens."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from tests.browser.hub import Hub
from tests.browser.pairs import Pair, talking
from tests.browser.windows import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chat(hub: Hub, shared_desk: Desk) -> Pair:
    """A pair whose conversation goes on from test to test."""
    return await talking(hub, shared_desk)


@pytest_asyncio.fixture(loop_scope="session")
async def pair(chat: Pair) -> AsyncIterator[Pair]:
    """The same in pages that were just loaded, which a test before has left nothing in."""
    await chat.reload()
    yield chat
    chat.assert_well()


async def test_a_stranger_logs_in_with_a_click_finds_somebody_and_is_read(hub, desk):
    ana = await (await desk.window(hub, "pt-BR")).visit()
    await ana.page.get_by_role("button", name="Entrar como ana").click()
    await expect(ana.page.get_by_text(ana.words.no_conversations)).to_be_visible()

    await ana.page.get_by_role("button", name=ana.words.new_conversation).click()
    await ana.dialog.get_by_label(ana.words.username).fill("bru")  # an agent needs the beginning only
    await ana.dialog.get_by_role("button", name="Conversar com bruno", exact=True).click()
    await expect(ana.heading("bruno")).to_be_visible()
    await expect(ana.about).to_have_text(re.compile("^(offline|visto por último .+)$"))
    await ana.say("Olá, Bruno!")
    await expect(ana.state("Olá, Bruno!", ana.words.sent)).to_be_visible()

    bruno = await (await desk.window(hub, "en-US")).visit()
    await bruno.page.get_by_role("button", name="Log in as bruno").click()
    entry = bruno.entry("ana")
    await expect(entry.get_by_text("Olá, Bruno!", exact=True)).to_be_visible()
    await expect(entry).to_contain_text(bruno.words.one_unread)
    await expect(bruno.page).to_have_title("(1) Chat4All")
    await expect(ana.state("Olá, Bruno!", ana.words.delivered)).to_be_visible()

    await bruno.open("ana")
    await expect(bruno.message("Olá, Bruno!").get_by_text("ana", exact=True)).to_be_visible()
    await expect(bruno.page).to_have_title("Chat4All")
    await expect(entry).not_to_contain_text(bruno.words.one_unread)
    await expect(ana.state("Olá, Bruno!", ana.words.read)).to_be_visible()
    await expect(ana.entry("bruno").get_by_text("Você: Olá, Bruno!", exact=True)).to_be_visible()


async def test_a_plain_user_finds_people_by_their_whole_name_only(hub, desk):
    me, other = await hub.newcomers("me", "other")
    window = await (await desk.window(hub)).log_in(me)
    await window.page.get_by_role("button", name=window.words.new_conversation).click()
    name = window.dialog.get_by_label(window.words.username)
    await name.fill(other[:4])
    await expect(window.dialog.get_by_text(window.words.nobody)).to_be_visible()
    await name.fill(other)
    await window.dialog.get_by_role("button", name=window.words.chat_with.format(other), exact=True).click()
    await expect(window.heading(other)).to_be_visible()


async def test_several_people_make_a_group_and_each_message_says_whose_it_is(hub, desk):
    ana, bruno, carla = await hub.newcomers("ana", "bruno", "carla")
    theirs = {name: await (await desk.window(hub)).log_in(name) for name in (ana, bruno, carla)}
    page, dialog = theirs[ana].page, theirs[ana].dialog
    await page.get_by_role("button", name="New conversation").click()
    for name in (bruno, carla):
        await dialog.get_by_label("User name").fill(name)
        await dialog.get_by_role("checkbox", name=f"Add {name} to a group").check()
    await dialog.get_by_role("button", name="Begin a group of 2 people").click()
    await theirs[ana].say("All of you")
    for name in (bruno, carla):
        title = ", ".join(sorted({ana, bruno, carla} - {name}))
        await theirs[name].open(title)
        await expect(theirs[name].message("All of you").get_by_text(ana, exact=True)).to_be_visible()
        await expect(theirs[name].entry(title).get_by_text(f"{ana}: All of you", exact=True)).to_be_visible()
        await expect(theirs[name].about).to_have_text("2 people here")
    await expect(theirs[ana].state("All of you", "read")).to_be_visible()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Até já, não é?", id="Portuguese"),
        pytest.param("مرحبا، كيف حالك؟", id="Arabic"),
        pytest.param("Hello مرحبا 2026", id="both directions"),
        pytest.param("🎉 👩‍👩‍👧‍👦 🇧🇷", id="emoji"),
        pytest.param("Donaudampfschifffahrt" * 30, id="a word longer than the line"),
        pytest.param("one\n\nthree\n  four", id="several lines"),
        pytest.param("1 < 2 && 3 > 2 &amp; \"so\" 'on'", id="signs of HTML"),
        pytest.param("/me *is* **not** `formatted`", id="signs of other formats"),
    ],
)
async def test_what_one_writes_is_what_the_other_reads(chat, text):
    await chat.ana.say(text)
    for window in chat:
        await expect(window.message(text)).to_be_visible()
        inside = "(one) => [one.scrollWidth <= one.clientWidth, one.getBoundingClientRect().right <= innerWidth]"
        assert await window.message(text).evaluate(inside) == [True, True], "within the window"
    shown = await chat.bruno.message(text).locator(".text").inner_text()
    assert shown == text, "line breaks are line breaks"


async def test_both_see_messages_by_place_with_sender_and_time(hub, desk):
    pair = await talking(hub, desk)
    for number in range(3):
        await pair.ana.say(f"ana {number}")
        await pair.bruno.say(f"bruno {number}")
    for window in pair:
        for who in ("ana", "bruno"):
            await expect(window.message(f"{who} 2")).to_be_visible()
    await expect(pair.ana.state("ana 2", pair.ana.words.read)).to_be_visible()
    for window in pair:
        for seq in range(1, 7):
            await expect(window.log.locator(f"article[data-seq='{seq}']")).to_be_visible()
    assert await pair.ana.texts() == await pair.bruno.texts()
    assert await pair.ana.seqs() == await pair.bruno.seqs() == list(range(1, 7))
    for window in pair:
        times = await window.log.locator("article time").evaluate_all("all => all.map((one) => one.textContent)")
        assert sum(re.fullmatch(r"\d\d:\d\d( [AP]M)?", time) is not None for time in times) == 6, times


async def test_a_reply_shows_what_it_answers_and_leads_to_it(pair):
    await pair.ana.say("Shall we?")
    for number in range(40):
        await pair.ana.say(f"filler {number}")
    await expect(pair.bruno.message("filler 39")).to_be_visible()
    await pair.bruno.act("Shall we?", pair.bruno.words.reply)
    await expect(pair.bruno.page.get_by_text(f"Replying to {pair.ana.username}")).to_be_visible()
    await pair.bruno.say("Let us")
    for window in pair:
        quote = window.message("Let us").get_by_role("button").filter(has_text="Shall we?")
        await expect(quote).to_contain_text(pair.ana.username)
        await expect(window.message("Shall we?")).not_to_be_in_viewport()
        await quote.click()
        await expect(window.message("Shall we?")).to_be_in_viewport()
        await expect(window.message("Shall we?")).to_be_focused()


async def test_an_edit_is_seen_on_both_sides_and_in_the_preview(pair):
    await pair.ana.say("Fünf")
    await expect(pair.bruno.message("Fünf")).to_be_visible()
    await pair.ana.act("Fünf", pair.ana.words.edit)
    await expect(pair.ana.page.get_by_text(pair.ana.words.save_hint)).to_be_visible()
    await expect(pair.ana.box).to_have_value("Fünf")
    await pair.ana.say("Five")
    for window in pair:
        await expect(window.message("Five").get_by_text(window.words.edited, exact=True)).to_be_visible()
        await expect(window.message("Fünf")).to_have_count(0)
    await expect(pair.ana.entry(pair.bruno.username).get_by_text("Você: Five", exact=True)).to_be_visible()
    await expect(pair.bruno.entry(pair.ana.username).get_by_text("Five", exact=True)).to_be_visible()
    await expect(pair.ana.box).to_have_value("")


async def test_a_deleted_message_is_gone_on_both_sides_after_a_question(pair):
    await pair.ana.say("Oops")
    await expect(pair.bruno.message("Oops")).to_be_visible()
    await pair.ana.act("Oops", pair.ana.words.delete)
    await pair.ana.dialog.get_by_role("button", name=pair.ana.words.cancel, exact=True).click()
    await expect(pair.ana.message("Oops")).to_be_visible()
    await pair.ana.act("Oops", pair.ana.words.delete)
    await pair.ana.dialog.get_by_role("button", name=pair.ana.words.delete, exact=True).click()
    for window, other in zip(pair, reversed(pair), strict=True):
        await expect(window.message("Oops")).to_have_count(0)
        await expect(window.message(window.words.deleted).last).to_be_visible()
        await expect(window.entry(other.username).get_by_text(window.words.deleted, exact=True)).to_be_visible()


async def test_nothing_of_a_deleted_message_stays_on_the_page_seen_or_read_out(pair):
    await pair.ana.say("Oops")
    await expect(pair.bruno.message("Oops")).to_be_visible()
    await pair.ana.act("Oops", pair.ana.words.delete)
    await pair.ana.dialog.get_by_role("button", name=pair.ana.words.delete, exact=True).click()
    for window in pair:
        await expect(window.message("Oops")).to_have_count(0)
        await expect(window.page.get_by_text("Oops")).to_have_count(0)


async def test_only_ones_own_messages_can_be_edited_and_deleted(pair):
    await pair.ana.say("Mine")
    await pair.bruno.message("Mine").hover()
    offered = pair.bruno.message("Mine").get_by_role("button")
    await expect(offered).to_have_count(2)
    for name in (pair.bruno.words.reply, pair.bruno.words.details):
        await expect(pair.bruno.message("Mine").get_by_role("button", name=name, exact=True)).to_be_visible()


async def test_the_timeline_of_a_message_says_all_that_happened_to_it(pair):
    words = pair.ana.words
    await pair.ana.say("Where am I?")
    await expect(pair.ana.state("Where am I?", words.read)).to_be_visible()
    await pair.ana.act("Where am I?", words.edit)
    await pair.ana.say("Here I am")
    await expect(pair.ana.message("Here I am").get_by_text(words.edited, exact=True)).to_be_visible()
    await pair.ana.act("Here I am", words.details)
    dialog = pair.ana.page.get_by_role("dialog", name=words.details)
    for what in (words.accepted, words.delivered, words.read, words.edited):
        row = dialog.get_by_role("row").filter(has=pair.ana.page.get_by_role("cell", name=what, exact=True))
        await expect(row.first).to_be_visible()
    await expect(dialog.get_by_role("cell", name=pair.bruno.username).first).to_be_visible()
    await dialog.get_by_role("button", name=words.close).click()
    await expect(dialog).to_be_hidden()
