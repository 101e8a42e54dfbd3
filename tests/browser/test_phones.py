"""The simulator's page: phones in the browser, live, beside the Bot API."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from tests.browser import axe
from tests.browser.hub import DEADLINE
from tests.integration.simulator.world import Bot, Simulator, simulating

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What a chat held so far is answered when the test says so; as it was when it was asked.
SLOW = """
const { fetch } = window;
window.slow = { asked: 0 };
const released = new Promise((resolve) => (slow.release = resolve));
window.fetch = async (...given) => {
  const answer = await fetch(...given);
  if (given[0].split("/").at(-2) === "chats") {
    slow.asked += 1;
    await released;
  }
  return answer;
};"""
# The lines on which the page is told of what happens.
LINES = """
window.lines = [];
window.EventSource = class extends window.EventSource {
  constructor(...given) {
    super(...given);
    lines.push(this);
  }
};"""
LOOKS = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 640}}]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, simulator: Simulator, request) -> AsyncIterator[Page]:
    context = await chromium.new_context(**getattr(request, "param", {}))
    context.set_default_timeout(DEADLINE * 1000)
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield opened
    await context.close()
    assert [one for one in faults if "409" not in one and "422" not in one] == []


class Screen:
    """The page with one phone picked."""

    def __init__(self, page: Page, simulator: Simulator, bot: Bot) -> None:
        self.page = page
        self.bot = bot
        self.phone = simulator.phone()
        self.phone.write(bot, "/start")
        self.url = f"{simulator.url}/#{self.phone.name}"

    async def open(self) -> "Screen":
        await self.page.goto(self.url)
        await self.page.get_by_label("Chats").get_by_role("button", name=self.bot.name).click()
        await expect(self.page.get_by_role("main").get_by_role("heading")).to_have_text(self.bot.name)
        return self

    def bubble(self, text: str):
        return self.page.get_by_role("listitem").filter(
            has=self.page.locator(".text", has_text=re.compile(f"^{re.escape(text)}$"))
        )

    async def say(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_label("Message", exact=True)).to_have_value("")

    async def asks(self, method: str, **parameters: Any) -> Any:
        return await asyncio.to_thread(lambda: self.bot.call(method, chat_id=self.phone.id, **parameters))

    async def hears(self) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.bot.pending)


@pytest_asyncio.fixture(loop_scope="session")
async def screen(page: Page, simulator: Simulator) -> Screen:
    bot = await asyncio.to_thread(simulator.bot)
    return await (await asyncio.to_thread(Screen, page, simulator, bot)).open()


async def test_what_a_bot_says_edits_and_deletes_is_seen_live(screen: Screen):
    sent = await screen.asks("sendMessage", text="Where <b>shall</b> it go?", parse_mode="HTML")
    await expect(screen.bubble("Where shall it go?").locator("strong")).to_have_text("shall")
    await screen.asks("sendChatAction", action="typing")
    await expect(screen.page.get_by_text("typing …")).to_be_visible()
    await screen.asks("editMessageText", message_id=sent["message_id"], text="Where to?")
    await expect(screen.bubble("Where to?").get_by_text("edited")).to_be_visible()
    await screen.asks("deleteMessage", message_id=sent["message_id"])
    await expect(screen.bubble("Where to?")).to_have_count(0)


async def test_what_a_bot_says_while_the_chat_loads_is_seen(page: Page, simulator: Simulator):
    screen = await asyncio.to_thread(Screen, page, simulator, await asyncio.to_thread(simulator.bot))
    await page.add_init_script(SLOW)
    await page.goto(screen.url)
    await page.get_by_label("Chats").get_by_role("button", name=screen.bot.name).click()
    await page.wait_for_function("() => slow.asked > 0")
    await screen.asks("sendMessage", text="meanwhile")
    await expect(page.get_by_label("Chats").get_by_text("meanwhile")).to_be_visible()  # the line has told it
    await page.evaluate("() => slow.release()")
    await expect(screen.bubble("meanwhile")).to_have_count(1)


async def test_what_is_being_clicked_or_selected_stays_where_it_is_when_the_chat_is_looked_up_again(screen: Screen):
    page = screen.page
    await page.add_init_script(LINES)
    await page.reload()
    await screen.open()
    await screen.asks("sendMessage", text="Red or blue?")
    bubble = await screen.bubble("Red or blue?").element_handle()
    async with page.expect_response(lambda answer: answer.url.split("/")[-2] == "chats"):
        await page.evaluate("() => lines.at(-1).dispatchEvent(new Event('open'))")
    await screen.asks("sendMessage", text="It has been looked up")
    await expect(screen.bubble("It has been looked up")).to_be_visible()
    assert await bubble.evaluate("(one) => one.isConnected")


async def test_a_person_writes_quotes_edits_and_deletes(screen: Screen):
    await screen.asks("sendMessage", text="Where shall it go?")
    await screen.say("Home\nplease".replace("\n", " "))
    await screen.bubble("Where shall it go?").get_by_role("button", name="Reply").click()
    await screen.say("To my home")
    await expect(screen.bubble("To my home").locator("blockquote")).to_have_text("Where shall it go?")
    await screen.bubble("Home please").get_by_role("button", name="Edit").click()
    await screen.say("Home!")
    await expect(screen.bubble("Home!")).to_be_visible()
    await screen.bubble("To my home").get_by_role("button", name="Delete").click()
    await expect(screen.bubble("To my home")).to_have_count(0)
    updates = (await screen.hears())[-3:]
    kinds = [next(kind for kind in one if kind != "update_id") for one in updates]
    assert kinds == ["message", "message", "edited_message"]
    assert updates[1]["message"]["reply_to_message"]["text"] == "Where shall it go?"


async def test_a_part_that_is_selected_is_quoted(screen: Screen):
    await screen.asks("sendMessage", text="Red or blue?")
    await expect(screen.bubble("Red or blue?")).to_be_visible()
    await screen.page.evaluate(
        """() => {
          const text = [...document.querySelectorAll(".text")].at(-1).firstChild;
          getSelection().setBaseAndExtent(text, 7, text, 11);
        }"""
    )
    await screen.bubble("Red or blue?").get_by_role("button", name="Reply").click()
    await screen.say("That one")
    await expect(screen.bubble("That one").locator("blockquote")).to_have_text("blue")
    assert (await screen.hears())[-1]["message"]["quote"]["position"] == 7


async def test_a_bot_is_blocked_and_unblocked(screen: Screen):
    await screen.page.get_by_role("button", name="Block", exact=True).click()
    await expect(screen.page.get_by_role("button", name="Unblock")).to_be_visible()
    await expect(screen.page.get_by_label("Message", exact=True)).to_be_hidden()
    answer = await asyncio.to_thread(lambda: screen.bot.ask("sendMessage", chat_id=screen.phone.id, text="x"))
    assert answer.status_code == 403
    await screen.page.get_by_role("button", name="Unblock").click()
    await expect(screen.page.get_by_label("Message", exact=True)).to_be_visible()


async def test_phones_bots_and_groups_are_made_by_hand(page: Page, simulator: Simulator):
    await page.goto(simulator.url)
    await page.get_by_role("button", name="Add a bot").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("User name").fill("handmade_bot")
    await dialog.get_by_role("button", name="Add").click()
    await expect(dialog).to_contain_text("Its token:")
    await dialog.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Add a phone").click()
    await dialog.get_by_label("User name").fill("handmade")
    await dialog.get_by_label("First name").fill("Hanna")
    await dialog.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("heading", name="Hanna's chats")).to_be_visible()
    await page.get_by_role("button", name="Make a group").click()
    await dialog.get_by_label("Title").fill("Handmade group")
    await dialog.get_by_label("Bot").select_option("handmade_bot")
    await dialog.get_by_role("button", name="Add").click()
    group = page.get_by_label("Chats").get_by_role("button", name="Handmade group")
    brought = page.get_by_text("Hanna brought in handmade_bot")
    async with asyncio.timeout(DEADLINE):
        while not await brought.is_visible():
            await group.click()  # it may be drawn anew in the middle of a click, when the bot comes in
            await asyncio.sleep(0.2)


async def test_what_is_refused_is_told(page: Page, simulator: Simulator):
    await page.goto(simulator.url)
    await page.get_by_role("button", name="Add a phone").click()
    await page.get_by_role("dialog").get_by_label("User name").fill("no spaces")
    await page.get_by_role("dialog").get_by_role("button", name="Add").click()
    await expect(page.get_by_role("status")).to_contain_text("pattern")


NASTY = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "مرحبا، كيف حالك؟",
    "👩‍👩‍👧‍👦",
]


@pytest.mark.parametrize("text", NASTY)
async def test_a_text_stays_a_text(screen: Screen, text):
    await screen.asks("sendMessage", text=text)
    await expect(screen.bubble(text)).to_be_visible()
    await screen.say(text)
    await expect(screen.bubble(text)).to_have_count(2)
    assert await screen.page.locator("main img, main script").count() == 0


async def test_it_goes_on_when_the_simulator_is_back(chromium: Browser, tmp_path):
    with simulating(tmp_path / "data") as own:
        bot = await asyncio.to_thread(own.bot)
        context = await chromium.new_context()
        context.set_default_timeout(DEADLINE * 1000)
        screen = await (await asyncio.to_thread(Screen, await context.new_page(), own, bot)).open()
        port = own.port
        own.kill()
        own.start(port)
        await screen.asks("sendMessage", text="meanwhile")
        await expect(screen.bubble("meanwhile")).to_be_visible()
        await context.close()


@pytest.mark.parametrize("page", LOOKS, ids=["light", "dark", "phone"], indirect=True)
async def test_nobody_is_kept_out(screen: Screen):
    script = await asyncio.to_thread(axe.install)
    sent = await screen.asks("sendMessage", text="Hello *there*", parse_mode="MarkdownV2")
    await asyncio.to_thread(lambda: screen.phone.write(screen.bot, "Hi", reply_to=sent["message_id"]))
    await expect(screen.bubble("Hi")).to_be_visible()
    assert await axe.violations(screen.page, script) == []
    width = await screen.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert width <= 0


async def test_a_chat_is_held_with_the_keyboard_alone(screen: Screen):
    await screen.page.get_by_label("Message", exact=True).focus()
    await screen.page.keyboard.type("typed")
    await screen.page.keyboard.press("Enter")
    await expect(screen.bubble("typed")).to_be_visible()
    await screen.bubble("typed").get_by_role("button", name="Edit").focus()
    await screen.page.keyboard.press("Enter")
    await expect(screen.page.get_by_label("Message", exact=True)).to_be_focused()
    await screen.page.keyboard.press("Escape")
    await expect(screen.page.locator(".context")).to_have_text("")
