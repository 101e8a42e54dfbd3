"""Every page and dialog is checked with axe: light, dark, and as wide as a phone. Nothing may be found."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Route, ViewportSize, expect
from tests.browser import axe
from tests.browser.hub import PASSWORD, Hub
from tests.browser.test_connection import MESSAGES
from tests.browser.windows import DOWN, REFUSED, Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKS: Final[dict[str, tuple[Any, ViewportSize]]] = {
    "light": ("light", {"width": 1280, "height": 720}),
    "dark": ("dark", {"width": 1280, "height": 720}),
    "phone": ("light", {"width": 390, "height": 844}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def script() -> str:
    return await asyncio.to_thread(axe.install)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def someone(hub: Hub) -> str:
    """Somebody who has said and heard everything that can be."""
    me, other, third = await hub.newcomer("me", role="agent"), *await hub.newcomers("other", "third")
    chat = await hub.conversation(me, other, title="Everything")
    await hub.client(me).call("POST", f"/v1/conversations/{chat}/members", {"members": [third]})
    first = await hub.say(me, chat, "mine, with https://example.org/ in it")
    await hub.say(other, chat, "an answer", reply_to=first)
    changed, gone = await hub.say(me, chat, "to be edited"), await hub.say(other, chat, "to be deleted")
    await hub.client(me).call("PATCH", f"/v1/messages/{changed}", {"content": "edited"})
    await hub.client(other).call("DELETE", f"/v1/messages/{gone}")
    await hub.say(other, chat, "مرحبا")
    return me


async def a_stranger(window: Window, someone: str) -> None:
    await window.visit()
    await expect(window.page.get_by_role("button", name="Log in as ana")).to_be_visible()


async def one_who_registers(window: Window, someone: str) -> None:
    await a_stranger(window, someone)
    await window.page.get_by_role("button", name=window.words.register_instead).click()
    await expect(window.page.get_by_text("At least 8 characters")).to_be_visible()


async def one_who_is_refused(window: Window, someone: str) -> None:
    await a_stranger(window, someone)
    window.bears(REFUSED.format(401))
    await window.page.get_by_label(window.words.username).fill("nobody-of-this-name")
    await window.page.get_by_label(window.words.password).fill(PASSWORD)
    await window.page.get_by_role("button", name=window.words.log_in, exact=True).click()
    await expect(window.page.get_by_role("alert")).not_to_be_empty()


async def a_newcomer(window: Window, someone: str) -> None:
    await window.log_in(await window.hub.newcomer("me"))
    await expect(window.page.get_by_text(window.words.no_conversations)).to_be_visible()


async def the_list(window: Window, someone: str) -> None:
    """Of all kinds: unread, empty, deleted, of a group, of one who is here."""
    hub, me = window.hub, await window.hub.newcomer("me", role="agent")
    others = await hub.newcomers("other", "other", "other")
    await hub.conversation(me, others[0])
    gone = await hub.say(others[1], await hub.conversation(me, others[1]), "to be deleted")
    await hub.client(others[1]).call("DELETE", f"/v1/messages/{gone}")
    group = await hub.conversation(others[0], me, *others[1:], title="A group with a title")
    for number in range(3):
        await hub.say(others[0], group, f"unread {number}")
    await window.log_in(me)
    await expect(window.entry("A group with a title")).to_contain_text("3 unread messages")


async def a_conversation(window: Window, someone: str) -> None:
    """With messages of all kinds. What is sent from now on is refused, or never answered."""
    await window.log_in(someone)
    await window.open("Everything")
    await expect(window.message(window.words.deleted)).to_be_visible()
    window.bears("Failed to load resource")
    problem = {"title": "Not valid", "detail": "This is not taken.", "advice": "Say something else.", "status": 422}

    async def answer(route: Route) -> None:
        if "refused" in str(route.request.post_data):
            await route.fulfill(status=422, content_type="application/problem+json", json=problem)
        else:
            await route.abort()

    await window.page.route(MESSAGES, answer)
    for text in ("refused", "pending"):
        await window.say(text)
    await expect(window.message("refused")).to_contain_text("Say something else.")
    await expect(window.state("pending", window.words.waiting)).to_be_visible()


async def a_message_with_its_buttons(window: Window, someone: str) -> None:
    await a_conversation(window, someone)
    await window.message("edited").focus()
    await expect(window.message("edited").get_by_role("button", name=window.words.edit, exact=True)).to_be_visible()


async def a_reply(window: Window, someone: str) -> None:
    await a_message_with_its_buttons(window, someone)
    await window.page.keyboard.press("r")
    await expect(window.page.get_by_text("Replying to")).to_be_visible()


async def a_text_too_long(window: Window, someone: str) -> None:
    await a_conversation(window, someone)
    await window.box.fill("long " * 2_001)
    await expect(window.page.get_by_text("too long")).to_be_visible()


async def the_finder(window: Window, someone: str) -> None:
    await the_list(window, someone)
    await window.page.keyboard.press("Control+k")
    await window.dialog.get_by_role("checkbox").first.check()
    await expect(window.dialog.get_by_role("button", name="Begin a conversation with 1 person")).to_be_visible()


async def the_finder_without_anybody(window: Window, someone: str) -> None:
    await a_newcomer(window, someone)
    await window.page.keyboard.press("Control+k")
    await window.dialog.get_by_label(window.words.username).fill("nobody-of-this-name")
    await expect(window.dialog.get_by_text(window.words.nobody)).to_be_visible()


async def the_timeline(window: Window, someone: str) -> None:
    await a_message_with_its_buttons(window, someone)
    await window.page.keyboard.press("Enter")
    await expect(window.dialog.get_by_role("cell", name=window.words.accepted)).to_be_visible()


async def the_keys(window: Window, someone: str) -> None:
    await a_newcomer(window, someone)
    await window.page.get_by_role("button", name=window.words.keyboard).click()
    await expect(window.dialog).to_be_visible()


async def a_question(window: Window, someone: str) -> None:
    await a_message_with_its_buttons(window, someone)
    await window.page.keyboard.press("Delete")
    await expect(window.dialog.get_by_role("button", name=window.words.delete, exact=True)).to_be_visible()


async def a_lost_connection(window: Window, someone: str) -> None:
    await a_conversation(window, someone)
    window.bears(*DOWN)
    await window.page.context.set_offline(True)
    await expect(window.page.get_by_text("This device is offline.")).to_be_visible()


async def a_session_that_ended(window: Window, someone: str) -> None:
    await a_conversation(window, someone)
    await window.page.unroute(MESSAGES)
    await window.page.route(MESSAGES, lambda route: route.fulfill(status=401, json={"detail": "It has expired."}))
    await window.say("one more")
    await expect(window.dialog).to_contain_text(window.words.again)


@pytest.mark.parametrize(
    "page",
    [
        a_stranger,
        one_who_registers,
        one_who_is_refused,
        a_newcomer,
        the_list,
        a_conversation,
        a_message_with_its_buttons,
        a_reply,
        a_text_too_long,
        the_finder,
        the_finder_without_anybody,
        the_timeline,
        the_keys,
        a_question,
        a_lost_connection,
        a_session_that_ended,
    ],
    ids=lambda page: page.__name__,
)
async def test_nothing_keeps_anybody_out_of(
    hub: Hub, desk: Desk, script: str, someone: str, page: Callable[[Window, str], Awaitable[None]]
):
    window = await desk.window(hub, reduced_motion="reduce", viewport=LOOKS["light"][1])
    await page(window, someone)
    found = []
    for look, (scheme, size) in LOOKS.items():
        await window.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await window.page.set_viewport_size(size)
        found += [f"{look}: {one}" for one in await axe.violations(window.page, script)]
    assert not found, "\n\n".join(["", *found])
