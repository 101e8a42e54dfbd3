"""What the server refuses is kept and explained; a session that has ended goes on after logging in again."""

import pytest
from playwright.async_api import Route, expect
from tests.browser.hub import PASSWORD, Hub
from tests.browser.test_connection import MESSAGES
from tests.browser.windows import DOWN, REFUSED, Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def outcast(hub: Hub, desk: Desk) -> tuple[Window, str, str, str]:
    """Somebody who writes in a group while its creator puts them out; the creator, the group and its title."""
    creator, member = await hub.newcomers("creator", "member")
    group = await hub.conversation(creator, member, title="The group")
    await hub.say(creator, group, "welcome")
    window = await (await desk.window(hub)).log_in(member)
    await window.open("The group")
    window.bears(REFUSED.format(404))
    await window.box.fill("am I")
    await hub.client(creator).call("DELETE", f"/v1/conversations/{group}/members/{member}")
    await window.say("am I still here?")
    return window, creator, group, member


async def test_a_message_that_is_refused_says_why_and_can_be_discarded(hub, desk):
    window, creator, group, _ = await outcast(hub, desk)
    refused = window.message("am I still here?")
    await expect(window.state("am I still here?", window.words.refused)).to_be_visible()
    await expect(refused).to_contain_text("you are not in it")
    await refused.get_by_role("button", name=window.words.discard).click()
    await expect(refused).to_have_count(0)
    await hub.says(creator, group, ["welcome"])


async def test_a_message_that_was_refused_is_sent_when_one_tries_again_and_may(hub, desk):
    window, creator, group, member = await outcast(hub, desk)
    refused = window.message("am I still here?")
    await expect(refused.get_by_role("button", name=window.words.retry)).to_be_visible()
    async with window.page.expect_response(MESSAGES):
        await refused.get_by_role("button", name=window.words.retry).click()
    await expect(refused.get_by_role("button", name=window.words.retry)).to_be_visible()
    await hub.client(creator).call("POST", f"/v1/conversations/{group}/members", {"members": [member]})
    await refused.get_by_role("button", name=window.words.retry).click()
    await expect(window.state("am I still here?", window.words.sent)).to_be_visible()
    await hub.says(creator, group, ["welcome", "am I still here?"])


async def test_a_refused_message_does_not_hold_up_those_after_it(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    await window.open(other)
    window.bears(REFUSED.format(422))

    async def spoil(route: Route) -> None:
        spoils = "refused" in str(route.request.post_data)
        await route.continue_(post_data={"chat_id": conversation, "content": ""} if spoils else None)

    await window.page.route(MESSAGES, spoil)
    await window.say("refused")
    await window.say("accepted")
    await expect(window.state("accepted", window.words.sent)).to_be_visible()
    await expect(window.state("refused", window.words.refused)).to_be_visible()
    await hub.says(me, conversation, ["accepted"])


async def test_a_message_that_is_too_long_is_not_sent_and_says_so(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    await window.open(other)
    for text, allowed in (("🎉" * 10_000, True), ("🎉" * 10_001, False), ("  \n ", False), ("", False)):
        await window.box.fill(text)
        send = window.page.get_by_role("button", name=window.words.send, exact=True)
        await (expect(send).to_be_enabled() if allowed else expect(send).to_be_disabled())
        too_long = window.page.get_by_text("10,001 of 10,000 characters: too long")
        await expect(too_long).to_have_count(1 if len(text) > 10_000 else 0)
    await window.box.fill("🎉" * 10_000)
    await window.box.press("Enter")
    await expect(window.log.get_by_role("img", name=window.words.sent)).to_be_visible()
    await hub.says(me, conversation, ["🎉" * 10_000])


@pytest.mark.parametrize(
    ("name", "password", "says"),
    [
        pytest.param("{}", "not-my-password", "password", id="a wrong password"),
        pytest.param("nobody-of-this-name", PASSWORD, "password", id="nobody of this name"),
    ],
)
async def test_a_login_that_is_refused_says_so_and_can_be_tried_again(hub, desk, name, password, says):
    me = await hub.newcomer("me")
    window = await (await desk.window(hub)).visit()
    window.bears(REFUSED.format(401))
    page, words = window.page, window.words
    await page.get_by_label(words.username).fill(name.format(me))
    await page.get_by_label(words.password).fill(password)
    await page.get_by_role("button", name=words.log_in, exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text(says)
    await page.get_by_label(words.username).fill(me)
    await page.get_by_label(words.password).fill(PASSWORD)
    await page.get_by_label(words.password).press("Enter")
    await expect(window.side).to_be_visible()


async def test_a_newcomer_makes_an_account_and_a_name_that_is_taken_is_refused(hub, desk):
    taken = await hub.newcomer("taken")
    window = await (await desk.window(hub)).visit()
    window.bears(REFUSED.format(409))
    page, words = window.page, window.words
    await page.get_by_role("button", name=words.register_instead).click()
    await expect(page.get_by_text("At least 8 characters")).to_be_visible()
    await page.get_by_label(words.username).fill(taken)
    await page.get_by_label(words.password).fill(PASSWORD)
    await page.get_by_role("button", name=words.register, exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text(taken)
    await page.get_by_label(words.username).fill(f"{taken}-free")
    await page.get_by_role("button", name=words.register, exact=True).click()
    await expect(window.side.get_by_text(f"{taken}-free", exact=True)).to_be_visible()


async def test_a_session_that_ends_is_gone_on_with_and_nothing_is_lost(starts, desk):
    hub = await starts(CHAT4ALL_ACCOUNTS__TOKEN_SECONDS="15")
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await (await desk.window(hub)).log_in(me)
    window.bears(*DOWN, REFUSED.format(401))
    await window.open(other)
    await window.page.route(MESSAGES, lambda route: route.abort())
    await window.say("unsent")
    await window.box.fill("a draft")
    again = window.page.get_by_role("dialog").filter(has_text=window.words.again)
    await expect(again).to_be_visible()
    await expect(again.get_by_label(window.words.username)).to_have_value(me)
    await window.page.keyboard.press("Escape")
    await expect(again).to_be_visible()
    await window.page.unroute(MESSAGES)
    await again.get_by_label(window.words.password).fill("not-my-password")
    await again.get_by_role("button", name=window.words.log_in, exact=True).click()
    await expect(again.get_by_role("alert")).to_contain_text("password")
    await again.get_by_label(window.words.password).fill(PASSWORD)
    await again.get_by_role("button", name=window.words.log_in, exact=True).click()
    await expect(again).to_be_hidden()
    await expect(window.message("unsent")).to_be_visible()
    await expect(window.box).to_have_value("a draft")
    await expect(window.state("unsent", window.words.sent)).to_be_visible()
    await hub.says(me, conversation, ["unsent"])


async def test_a_page_that_is_loaded_after_the_session_ended_asks_again_and_goes_on(starts, desk):
    hub = await starts(CHAT4ALL_ACCOUNTS__TOKEN_SECONDS="15")
    me, other = await hub.newcomers("me", "other")
    await hub.say(other, await hub.conversation(me, other), "hello")
    window = await (await desk.window(hub)).log_in(me)
    window.bears(REFUSED.format(401))
    await window.open(other)
    again = window.page.get_by_role("dialog").filter(has_text=window.words.again)
    await expect(again).to_be_visible()
    await window.page.reload()
    await again.get_by_label(window.words.password).fill(PASSWORD)
    await again.get_by_role("button", name=window.words.log_in, exact=True).click()
    await expect(window.message("hello")).to_be_visible()
