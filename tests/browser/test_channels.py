"""Other channels in the console: who has no app, how far a message got, why it failed, and again by a click."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from tests.browser import axe
from tests.browser.hub import DEADLINE, Hub
from tests.browser.windows import Desk, Window
from tests.integration.simulator.world import Bot, Phone, Simulator, simulating

pytestmark = pytest.mark.asyncio(loop_scope="session")
wait = asyncio.to_thread

BLOCKED = "This person has blocked us."
BLOCKED_PT = "Esta pessoa nos bloqueou."


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hooked(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> AsyncIterator[Hub]:
    """A server with a connector to the simulator."""
    folder = tmp_path_factory.mktemp("hooked")
    made = Hub(folder, {"CHAT4ALL_CHANNELS__SIMULATOR": simulator.url, "CHAT4ALL_CHANNELS__FOLDER": str(folder)})
    await made.start()
    yield made
    await made.close()


@pytest.fixture(scope="module")
def bot(simulator: Simulator) -> Bot:
    return simulator.bot("support_bot")


async def somebody(simulator: Simulator, bot: Bot, name: str) -> Phone:
    """A stranger who has written."""
    phone = await wait(simulator.phone, name)
    await wait(phone.write, bot, "/start")
    await wait(phone.write, bot, f"{name} here")
    return phone


async def shown(phone: Phone, bot: Bot, text: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while text not in await wait(phone.texts, bot):
            await asyncio.sleep(0.05)


async def fares(hub: Hub, text: str, status: str) -> None:
    """Wait until this is what became of ana's message on bruno's Telegram."""
    client = hub.client("ana")
    chat = await client.known_conversation_with("bruno")
    assert chat is not None
    async with asyncio.timeout(DEADLINE):
        while True:
            for row in await hub.rows("ana", chat):
                if row["type"] == "message" and row["content"] == text:
                    found = (await client.call("GET", f"/v1/messages/{row['message_id']}")).json()["recipients"]
                    ways = {way["title"]: way["status"] for one in found for way in one["channels"]}
                    if ways.get("Telegram") == status:
                        return
            await asyncio.sleep(0.05)


async def ana(desk: Desk, hub: Hub, locale: str = "en-US") -> Window:
    return await (await desk.window(hub, locale)).log_in("ana", "demo")


async def test_who_writes_on_telegram_has_a_name_and_is_answered(
    desk: Desk, hooked: Hub, simulator: Simulator, bot: Bot
) -> None:
    window = await ana(desk, hooked)
    phone = await somebody(simulator, bot, "Clara")
    await expect(window.entry("Clara")).to_be_visible()
    await window.open("Clara")
    await expect(window.message("Clara here")).to_be_visible()
    await expect(window.about).to_have_text("on Telegram")
    await window.say("hello Clara")
    await expect(window.state("hello Clara", "sent")).to_be_visible()
    await shown(phone, bot, "hello Clara")
    await window.page.reload()
    await expect(window.state("hello Clara", "sent")).to_be_visible()


@pytest.mark.parametrize("told", [("en-US", BLOCKED, "failed"), ("pt-BR", BLOCKED_PT, "falhou")], ids=["en", "pt"])
async def test_what_failed_says_why_and_goes_again_by_a_click(
    desk: Desk, hooked: Hub, simulator: Simulator, bot: Bot, told: tuple[str, str, str]
) -> None:
    locale, why, failed = told
    name = f"Davi{locale[:2]}"
    phone = await somebody(simulator, bot, name)
    window = await ana(desk, hooked, locale)
    await window.open(name)
    await wait(phone.block, bot)
    await window.say("are you there?")
    await expect(window.state("are you there?", failed)).to_be_visible()
    said = window.message("are you there?").get_by_text(why)
    await expect(said).to_contain_text(f"{name}, Telegram: ")
    assert await axe.violations(window.page, await wait(axe.install)) == []
    await window.page.reload()
    await expect(said).to_be_visible()
    await wait(phone.block, bot, blocked=False)
    again = window.message("are you there?").get_by_role("button", name=window.words.retry, exact=True)
    await again.click()
    await shown(phone, bot, "are you there?")
    await expect(window.state("are you there?", window.words.sent)).to_be_visible()
    await expect(said).to_be_hidden()


async def test_its_details_say_how_it_fared_on_each_channel(
    desk: Desk, hooked: Hub, simulator: Simulator, bot: Bot
) -> None:
    """Bruno is in the app and on Telegram."""
    window = await ana(desk, hooked)
    await window.find("bruno")
    await window.say("on both")
    await fares(hooked, "on both", "sent")
    await window.act("on both", "Where is my message?")
    people = window.dialog.get_by_role("table", name="For whom")
    await expect(people.get_by_role("row", name="bruno app sent")).to_be_visible()
    await expect(people.get_by_role("row", name="bruno Telegram sent")).to_be_visible()
    await expect(window.dialog.get_by_role("button", name="Try again")).to_be_hidden()
    await window.dialog.get_by_role("button", name="Close").click()
    await wait(simulator.control, "PUT", f"/telegram/phones/bruno/chats/{bot.name}/blocked", {"blocked": True})
    await window.say("on one only")
    await expect(window.message("on one only").get_by_text(BLOCKED)).to_be_visible()
    await expect(window.state("on one only", "sent")).to_be_visible()
    await window.act("on one only", "Where is my message?")
    await expect(people.get_by_role("row", name="bruno Telegram failed")).to_contain_text(BLOCKED)
    assert await axe.violations(window.page, await wait(axe.install)) == []
    await wait(simulator.control, "PUT", f"/telegram/phones/bruno/chats/{bot.name}/blocked", {"blocked": False})
    await window.dialog.get_by_role("button", name="Try again").click()
    await expect(people.get_by_role("row", name="bruno Telegram sent")).to_be_visible()
