"""The connection breaks and comes back: nothing that was written is lost or said twice, and everyone sees the same."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Route, expect
from tests.browser.hub import Hub
from tests.browser.windows import DOWN, REFUSED, Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES = re.compile(r"/v1/messages$")


async def looking(hub: Hub, desk: Desk) -> tuple[Window, Window, str]:
    """Two people who look at their conversation, and its id. Their browsers may say that there is no server."""
    names = await hub.newcomers("ana", "bruno")
    conversation = await hub.conversation(*names)
    ana, bruno = await desk.window(hub), await desk.window(hub)
    await asyncio.gather(ana.log_in(names[0]), bruno.log_in(names[1]))
    for window, other in ((ana, names[1]), (bruno, names[0])):
        window.bears(*DOWN)
        await window.open(other)
    return ana, bruno, conversation


async def assert_same(hub: Hub, conversation: str, *windows: Window) -> None:
    """The windows show what is stored, all of it, once, in its order."""
    said = await hub.contents(windows[0].username, conversation)
    assert len(set(said)) == len(said), "nothing is said twice"
    for window in windows:
        await expect(window.log.locator(".text")).to_have_text(said)
        await expect(window.log.get_by_role("img", name=re.compile("waiting|sending|not sent"))).to_have_count(0)
        assert await window.seqs() == list(range(1, len(said) + 1)), "in both, without holes and repeats"


async def test_what_is_written_while_the_server_is_dead_is_said_once_in_order_when_it_is_back(starts, desk):
    hub = await starts()
    ana, bruno, conversation = await looking(hub, desk)
    await ana.say("before")
    await expect(ana.state("before", "read")).to_be_visible()

    await hub.kill()
    for window in (ana, bruno):
        await expect(window.banner).to_be_visible()
        await expect(window.banner.get_by_role("button", name="Try now")).to_be_visible()
    for number in range(4):
        for window in (ana, bruno):
            await window.say(f"{window.username} {number}")
            waits = window.message(f"{window.username} {number}")
            await expect(waits.get_by_role("img", name=re.compile("^(waiting to be sent|sending)$"))).to_be_visible()
    for window in (ana, bruno):
        mine = [f"{window.username} {number}" for number in range(4)]
        assert await window.texts() == ["before", *mine], "all stay visible, in their order"

    await hub.start()
    for window in (ana, bruno):
        await expect(window.banner).to_be_hidden()
    for window in (ana, bruno):
        await expect(window.state(f"{window.username} 3", "read")).to_be_visible()
    await assert_same(hub, conversation, ana, bruno)
    said = await hub.contents(ana.username, conversation)
    for window in (ana, bruno):
        assert [text for text in said if text.startswith(window.username)] == [
            f"{window.username} {number}" for number in range(4)
        ]
    await ana.say("after")
    await expect(bruno.message("after")).to_be_visible()


async def test_one_need_not_wait_for_the_next_try(starts, desk):
    hub = await starts()
    me, other = await hub.newcomers("me", "other")
    await hub.conversation(me, other)
    window = await desk.window(hub)
    window.bears(*DOWN)
    await window.page.clock.install()
    await window.log_in(me)
    await window.open(other)
    await window.status_becomes(other, "online")
    await window.page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))  # it does not try by itself any more
    await hub.kill()
    await expect(window.banner).to_be_visible()
    await hub.start()
    await window.banner.get_by_role("button", name="Try now").click()
    await expect(window.banner).to_be_hidden()
    await expect(window.page.get_by_text("Connected again.")).to_be_visible()


async def test_what_happens_while_one_is_offline_is_there_when_he_is_back(hub, desk):
    ana, bruno, conversation = await looking(hub, desk)
    for text in ("to be edited", "to be deleted", "stays"):
        await bruno.say(text)
    await expect(ana.message("stays")).to_be_visible()
    await ana.page.context.set_offline(True)
    await expect(ana.page.get_by_text("This device is offline.")).to_be_visible()
    await bruno.act("to be edited", "Edit")
    await bruno.say("edited")
    await bruno.act("to be deleted", "Delete")
    await bruno.dialog.get_by_role("button", name="Delete", exact=True).click()
    await bruno.say("new")
    await expect(bruno.message("new")).to_be_visible()
    await ana.page.context.set_offline(False)
    for window in (ana, bruno):
        await expect(window.log.locator(".text")).to_have_text(["edited", window.words.deleted, "stays", "new"])
    await expect(ana.page.get_by_text("This device is offline.")).to_be_hidden()
    await expect(bruno.state("new", "read")).to_be_visible()
    kinds = [row["type"] for row in await hub.rows(ana.username, conversation)]
    assert sorted(kinds) == ["delete", "edit", *["message"] * 4]


async def test_unsent_messages_survive_a_reload_and_are_said_once(starts, desk):
    hub = await starts()
    ana, bruno, conversation = await looking(hub, desk)
    await hub.kill()
    for number in range(3):
        await ana.say(f"kept {number}")
    ana.bears("Failed to load resource")
    with pytest.raises(Exception, match="ERR_CONNECTION_REFUSED"):
        await ana.page.reload()
    # The browser goes on to its own page after it has said so, and would break off a visit that begins before.
    await ana.page.wait_for_url("chrome-error://**", wait_until="commit")
    await hub.start()
    await ana.page.goto(f"{hub.url}/")
    await ana.open(bruno.username)
    await expect(ana.state("kept 2", "read")).to_be_visible()
    await hub.says(ana.username, conversation, [f"kept {number}" for number in range(3)])
    await assert_same(hub, conversation, ana, bruno)


async def test_a_message_whose_answer_is_lost_is_said_once(hub, desk):
    ana, bruno, conversation = await looking(hub, desk)
    keys = []

    async def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        answer = await route.fetch()
        assert answer.status == 202
        if len(keys) <= 2:
            await route.abort()
        else:
            await route.fulfill(response=answer)

    await ana.page.route(MESSAGES, lose)
    await ana.say("said once")
    await expect(bruno.message("said once")).to_be_visible()
    await ana.say("and this after it")
    await expect(ana.state("and this after it", "read")).to_be_visible()
    assert len(keys) == 4
    assert len(set(keys)) == 2, "sent again under its own key"
    assert keys[:3] == [keys[0]] * 3, "and in order"
    await assert_same(hub, conversation, ana, bruno)


async def test_a_message_whose_answer_is_lost_before_a_reload_is_said_once(hub, desk):
    ana, bruno, conversation = await looking(hub, desk)

    async def lose(route: Route) -> None:
        assert (await route.fetch()).status == 202
        await route.abort()

    await ana.page.route(MESSAGES, lose)
    await ana.say("said once")
    await expect(bruno.message("said once")).to_be_visible()
    await ana.page.reload()
    await ana.page.unroute(MESSAGES, lose)
    await ana.say("and this after it")
    await expect(ana.state("and this after it", "read")).to_be_visible()
    await assert_same(hub, conversation, ana, bruno)


async def test_a_server_that_asks_for_patience_gets_every_message_in_order(starts, desk):
    hub = await starts(CHAT4ALL_API__POSTS_PER_SECOND="2", CHAT4ALL_API__POST_BURST="2")
    ana, bruno, conversation = await looking(hub, desk)
    ana.bears(REFUSED.format(429))
    texts = [f"fast {number}" for number in range(6)]
    for text in texts:
        await ana.say(text)
    await expect(ana.state(texts[-1], "read")).to_be_visible()
    await hub.says(ana.username, conversation, texts)
    await assert_same(hub, conversation, ana, bruno)


async def test_edits_and_deletes_made_without_a_connection_are_done_when_it_is_back(starts, desk):
    hub = await starts()
    ana, bruno, _ = await looking(hub, desk)
    for text in ("wrong", "regretted"):
        await ana.say(text)
        await expect(ana.state(text, "read")).to_be_visible()
    await hub.kill()
    await expect(ana.banner).to_be_visible()
    await ana.act("wrong", "Edit")
    await ana.say("right")
    await ana.act("regretted", "Delete")
    await ana.dialog.get_by_role("button", name="Delete", exact=True).click()
    await expect(ana.log.get_by_role("img", name="saving the change")).to_have_count(2)
    await hub.start()
    for window in (ana, bruno):
        await expect(window.log.locator(".text")).to_have_text(["right", window.words.deleted])
