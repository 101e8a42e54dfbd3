"""What comes in an unlucky order: answers that are late, lines that die, clicks that come twice."""

import asyncio
import contextlib
import json
import re
from typing import Final

import pytest
from playwright.async_api import Error, Route, WebSocketRoute, expect
from tests.browser.hub import PASSWORD, Hub
from tests.browser.keys import Keys
from tests.browser.test_connection import MESSAGES
from tests.browser.windows import DOWN, REFUSED, Desk, Window

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIST: Final = re.compile(r"/v1/conversations\?")
HISTORY: Final = re.compile(r"/v1/conversations/[^/]+/messages\?")
PAGE: Final = 100  # rows that are loaded at once
DRAWN: Final = 330  # articles at once, at most


class Held:
    """Requests that are answered when the test says so; what the server said stays what it was then."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        with contextlib.suppress(Error):  # the page was closed, and waits for nothing any more
            answer = await route.fetch()
            self.asked.set()
            await self.released.wait()
            await route.fulfill(response=answer)


async def pair(hub: Hub, desk: Desk, *said: str) -> tuple[Window, str, str]:
    """Somebody's window, the other one, and their conversation, in which the other has said this."""
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    for text in said:
        await hub.say(other, conversation, text)
    return await (await desk.window(hub)).log_in(me), other, conversation


async def test_what_is_said_before_the_list_knows_of_its_conversation_is_not_lost(hub, desk):
    me, other = await hub.newcomers("me", "other")
    window = await (await desk.window(hub)).log_in(me)
    await expect(window.page.get_by_text(window.words.no_conversations)).to_be_visible()
    await window.status_becomes(me, "online")
    held = Held()
    await window.page.route(LIST, held)
    conversation = await hub.conversation(other, me)
    await hub.say(other, conversation, "first")
    await held.asked.wait()
    heard = asyncio.ensure_future(window.lines[-1].wait_for_event("framereceived", lambda data: "second" in str(data)))
    await hub.say(other, conversation, "second")
    await heard
    held.released.set()
    await expect(window.entry(other)).to_contain_text("second")
    await expect(window.entry(other)).to_contain_text("2 unread messages")
    await window.open(other)
    await expect(window.log.locator(".text")).to_have_text(["first", "second"])


async def test_what_was_discarded_by_logging_out_is_never_sent(hub, desk):
    window, other, conversation = await pair(hub, desk, "hello")
    await window.open(other)
    await window.page.route(MESSAGES, lambda route: asyncio.sleep(0))  # no answer, ever
    await window.say("not to be sent")
    await expect(window.message("not to be sent")).to_be_visible()
    await window.page.get_by_role("button", name=window.words.log_out).click()
    await window.dialog.get_by_role("button", name=window.words.log_out).click()
    await expect(window.page.get_by_label(window.words.password)).to_be_visible()
    await window.page.unroute_all(behavior="ignoreErrors")
    await window.log_in(window.username)
    await window.open(other)
    await window.say("after it")
    await expect(window.state("after it", window.words.sent)).to_be_visible()
    await hub.says(window.username, conversation, ["hello", "after it"])


async def test_accepted_without_an_answer_and_loaded_again_it_is_shown_once(hub, desk):
    window, other, conversation = await pair(hub, desk, "hello")
    await window.open(other)
    accepted, left, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answered_late(route: Route) -> None:
        answer = await route.fetch()
        if not left.is_set():
            accepted.set()  # and no answer: the page is left
            return
        await again.wait()
        await route.fulfill(response=answer)

    await window.page.route(MESSAGES, answered_late)
    await window.say("only once")
    await accepted.wait()
    left.set()
    await window.page.reload()
    await expect(window.message("only once")).to_have_count(1)
    again.set()
    await expect(window.state("only once", window.words.sent)).to_be_visible()
    await window.page.wait_for_function(
        "() => Object.values(sessionStorage).every((one) => !one.includes('only once'))"
    )
    await expect(window.message("only once")).to_have_count(1)
    await hub.says(window.username, conversation, ["hello", "only once"])


async def test_a_double_click_on_a_person_begins_one_conversation(hub, desk):
    me, other = await hub.newcomers("me", "other")
    window = await (await desk.window(hub)).log_in(me)
    await window.page.get_by_role("button", name=window.words.new_conversation).click()
    await window.dialog.get_by_label(window.words.username).fill(other)
    await window.dialog.get_by_role("button", name=window.words.chat_with.format(other), exact=True).dblclick()
    await expect(window.heading(other)).to_be_visible()
    assert len((await hub.client(me).call("GET", "/v1/conversations")).json()) == 1


async def test_a_conversation_whose_making_was_not_answered_is_made_once(hub, desk):
    me, other = await hub.newcomers("me", "other")
    window = await (await desk.window(hub)).log_in(me)
    window.bears("Failed to load resource")
    making = re.compile(r"/v1/conversations$")

    lost: list[str] = []

    async def lose(route: Route) -> None:
        if route.request.method != "POST" or lost:
            await route.continue_()
            return
        lost.append((await route.fetch()).url)
        await route.abort()

    await window.page.route(making, lose)
    await window.page.get_by_role("button", name=window.words.new_conversation).click()
    await window.dialog.get_by_label(window.words.username).fill(other)
    chat = window.dialog.get_by_role("button", name=window.words.chat_with.format(other), exact=True)
    await chat.click()
    await expect(window.dialog.get_by_role("status")).to_contain_text("does not answer")
    await chat.click()
    await expect(window.heading(other)).to_be_visible()
    assert len((await hub.client(me).call("GET", "/v1/conversations")).json()) == 1


async def test_escape_pressed_again_and_again_does_not_do_away_with_logging_in_again(starts, desk):
    hub = await starts(CHAT4ALL_ACCOUNTS__TOKEN_SECONDS="5")
    me = await hub.newcomer("me")
    window = await desk.window(hub)
    window.bears(REFUSED.format(401))
    await window.log_in(me)
    again = window.page.get_by_role("dialog").filter(has_text=window.words.again)
    await expect(again).to_be_visible()
    for _ in range(4):
        await window.page.keyboard.press("Escape")
    await expect(again).to_be_visible()
    await again.get_by_label(window.words.password).fill(PASSWORD)
    await again.get_by_role("button", name=window.words.log_in, exact=True).click()
    await expect(again).to_have_count(0)
    await window.status_becomes(me, "online")


async def test_what_was_read_on_a_dying_line_is_said_again_on_the_next(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window = await desk.window(hub)
    window.bears(*DOWN)
    lines: list[WebSocketRoute] = []

    def dying(line: WebSocketRoute) -> None:
        server, dies = line.connect_to_server(), not lines
        lines.append(line)
        line.on_message(lambda said: None if dies and '"read"' in str(said) else server.send(said))

    await window.page.route_web_socket(re.compile(r"/ws\b"), dying)
    await window.log_in(me)
    await window.status_becomes(other, "online")
    message = await hub.say(other, conversation, "did you see it?")
    await window.open(other)
    await expect(window.message("did you see it?")).to_be_visible()
    await expect(window.entry(other)).not_to_contain_text("unread")
    assert await state(hub, other, message) != "read", "the server has not heard of it"
    await lines[0].close(code=3000)
    async with asyncio.timeout(60):
        while await state(hub, other, message) != "read":
            await asyncio.sleep(0.05)


async def test_a_conversation_whose_newest_rows_are_edits_only_is_not_empty(hub, desk):
    window, other, conversation = await pair(hub, desk, *(f"message {number}" for number in range(30)))
    (row,) = await hub.page(other, conversation, after=29)
    for number in range(110):
        path = f"/v1/messages/{row['message_id']}"
        await hub.client(other).call("PATCH", path, {"content": f"edit {number}"})
    async with asyncio.timeout(60):
        while len(await hub.rows(other, conversation)) < 140:
            await asyncio.sleep(0.05)
    await window.page.reload()
    await window.open(other)
    await expect(window.message("edit 109")).to_be_visible()
    await expect(window.message("message 0")).to_have_count(1)


async def test_going_elsewhere_while_an_old_page_is_on_its_way_leaves_no_hole(hub, desk):
    window, other, conversation = await pair(hub, desk, "the first")
    await hub.flood(other, conversation, 999)
    third = await hub.newcomer("third")
    await hub.say(third, await hub.conversation(third, window.username), "hello")
    await window.open(other)
    await expect(window.log.locator("article[data-seq='1000']")).to_be_visible()
    for _ in range(12):  # far enough up for what is loaded to be let go of
        await window.log.evaluate("(log) => { log.scrollTop = 0; }")
        await asyncio.sleep(0.05)
    held = Held()
    await window.page.route(HISTORY, held)
    async with asyncio.timeout(60):
        while not held.asked.is_set():
            await window.log.evaluate("(log) => { log.scrollTop = 0; }")
            await asyncio.sleep(0.05)
    await window.open(third)
    await window.open(other)
    held.released.set()
    seen: set[int] = set()
    async with asyncio.timeout(60):
        while 1 not in seen:
            seen |= set(await window.seqs())
            await window.log.evaluate("(log) => { log.scrollTop = 0; }")
            await asyncio.sleep(0.05)
    assert seen == set(range(1, 1001))


async def test_a_quote_that_is_looked_for_while_one_goes_elsewhere_leads_nowhere(hub, desk):
    window, other, conversation = await pair(hub, desk)
    first = await hub.say(other, conversation, "the quoted one")
    await hub.flood(other, conversation, 900)
    await hub.say(other, conversation, "the answer", reply_to=first)
    third = await hub.newcomer("third")
    await hub.say(third, await hub.conversation(third, window.username), "hello")
    await window.open(other)
    quote = window.message("the answer").get_by_role("button").filter(has_text="the quoted one")
    await expect(quote).to_be_visible()
    held = Held()
    await window.page.route(HISTORY, held)
    await quote.click()
    await asyncio.wait_for(held.asked.wait(), 60)
    await window.open(third)
    held.released.set()
    await expect(window.log.locator(".text")).to_have_text(["hello"])


async def test_one_who_reads_a_little_above_the_end_does_not_grow_the_page(hub, desk):
    window, other, conversation = await pair(hub, desk, *(f"message {number}" for number in range(40)))
    await window.open(other)
    await expect(window.log.locator("article[data-seq='40']")).to_be_in_viewport()
    pill = window.page.get_by_role("button", name="To the newest message")
    async with asyncio.timeout(60):
        while not await pill.is_visible():  # what has just been opened goes to its end once it is laid out
            await window.log.evaluate("(log) => { log.scrollTop = log.scrollHeight - log.clientHeight - 300; }")
            await asyncio.sleep(0.05)
    await hub.flood(other, conversation, 600)
    await expect(window.page.get_by_role("button", name="600 new messages")).to_be_visible()
    assert len(await window.seqs()) <= DRAWN
    await window.page.get_by_role("button", name="600 new messages").click()
    await expect(window.log.locator("article[data-seq='640']")).to_be_in_viewport()


async def test_the_focus_stays_on_a_link_in_a_message_while_that_is_read(keys: Keys, hub: Hub, desk: Desk) -> None:
    window = keys.window
    await keys.write("see https://example.org/here")
    await keys.press("Enter")
    await keys.to_message("see https://example.org/here")
    await keys.press("Tab")
    link = window.page.get_by_role("link", name="https://example.org/here", exact=True)
    await expect(link).to_be_focused()
    second = await (await desk.window(hub)).log_in(keys.other)
    await second.open(keys.title)
    await second.say("I see")
    await expect(window.message("I see")).to_be_visible()
    assert await link.evaluate("(one) => one === document.activeElement"), "in a window that is behind another now"


async def state(hub: Hub, sender: str, message: str) -> str:
    """How far a message is, as its sender is told."""
    return str((await hub.client(sender).call("GET", f"/v1/messages/{message}")).json()["status"])


async def test_an_agent_who_is_quicker_than_the_page_loads_is_shown_people(hub, desk):
    me, other = await hub.newcomer("me", role="agent"), await hub.newcomer("other")
    await hub.conversation(me, other)
    window, slow = await desk.window(hub), Held()
    await window.page.route("**/v1/users?*", slow)
    await window.log_in(me)
    await slow.asked.wait()
    await expect(window.entry(other)).to_be_visible()
    await window.page.keyboard.press("Control+k")
    await expect(window.dialog).to_be_visible()
    slow.released.set()
    await expect(window.dialog.get_by_role("checkbox")).not_to_have_count(0)


async def test_who_is_chosen_while_the_page_loads_is_talked_with_where_one_has_talked_before(hub, desk):
    me, other = await hub.newcomer("me", role="agent"), await hub.newcomer("other")
    conversation = await hub.conversation(me, other)
    await hub.say(other, conversation, "hello")
    window, slow = await desk.window(hub), Held()
    await window.page.route("**/v1/conversations?*", slow)
    await window.log_in(me)
    await slow.asked.wait()
    await window.page.keyboard.press("Control+k")
    await window.dialog.get_by_label(window.words.username).fill(other)
    await window.dialog.get_by_role("button", name=window.words.chat_with.format(other), exact=True).click()
    slow.released.set()
    await expect(window.heading(other)).to_be_visible()
    await expect(window.message("hello")).to_be_visible()
    listed = (await hub.client(me).call("GET", "/v1/conversations")).json()
    assert [one["conversation_id"] for one in listed] == [conversation]


async def test_a_click_counts_though_the_list_changes_while_the_button_is_down(hub, desk):
    window, other, conversation = await pair(hub, desk, "hello")
    await window.entry(other).hover()
    await window.page.mouse.down()
    await hub.say(other, conversation, "again")
    await expect(window.page).to_have_title("(2) Chat4All")  # it has come
    await window.page.mouse.up()
    await expect(window.heading(other)).to_be_visible()
    await expect(window.message("again")).to_be_visible()


async def test_what_is_edited_with_the_arrow_is_what_was_said_last_though_it_has_not_come_back(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    window, silent, slow = await desk.window(hub), asyncio.Event(), Held()

    def keeps(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        server.on_message(lambda said: None if silent.is_set() and '"seq"' in str(said) else line.send(said))

    await window.page.route_web_socket(re.compile(r"/ws\b"), keeps)
    await (await window.log_in(me)).open(other)
    await window.say("first")
    await expect(window.log.locator("article[data-seq='1']")).to_be_visible()
    silent.set()
    await window.page.route(MESSAGES, slow)
    await window.say("second")
    await slow.asked.wait()
    await window.box.press("ArrowUp")
    await expect(window.box).to_have_value("")  # nobody knows its id yet
    slow.released.set()
    await expect(window.state("second", window.words.sent)).to_be_visible()
    await window.box.press("ArrowUp")
    await expect(window.box).to_have_value("second")
    await window.say("second, edited")
    async with asyncio.timeout(60):
        while await hub.contents(me, conversation) != ["first", "second, edited"]:
            await asyncio.sleep(0.05)


async def test_the_arrow_does_not_take_a_message_for_the_next_one_with_the_same_text(hub, desk):
    me, other = await hub.newcomers("me", "other")
    await hub.conversation(me, other)
    window, slow = await desk.window(hub), Held()
    lines: list[WebSocketRoute] = []
    kept: list[str | bytes] = []

    def keeps(line: WebSocketRoute) -> None:
        lines.append(line)
        line.connect_to_server().on_message(lambda said: (kept.append if '"seq"' in str(said) else line.send)(said))

    await window.page.route_web_socket(re.compile(r"/ws\b"), keeps)
    await (await window.log_in(me)).open(other)
    await window.say("again")
    await expect(window.state("again", window.words.sent)).to_be_visible()
    await window.page.route(MESSAGES, slow)
    await window.say("again")
    await slow.asked.wait()
    async with asyncio.timeout(60):
        while not kept:
            await asyncio.sleep(0.05)
    lines[-1].send(kept[0])
    await expect(window.log.locator("article[data-seq='1']")).to_be_visible()
    await expect(window.message("again")).to_have_count(2)
    await window.box.press("ArrowUp")
    await expect(window.box).to_have_value("")  # nobody knows the id of the second one yet
    slow.released.set()


async def test_what_was_written_before_all_that_is_loaded_is_not_what_the_arrow_edits(hub, desk):
    me, other = await hub.newcomers("me", "other")
    conversation = await hub.conversation(me, other)
    first = await hub.say(me, conversation, "first")
    await hub.flood(me, conversation, PAGE)
    newest = await hub.say(me, conversation, "newest")
    window = await desk.window(hub)
    entry = {"key": "a", "kind": "message", "conversation": conversation, "state": "accepted", "messageId": first}
    entry |= {"body": {"content": "first"}, "at": "2026-01-01T00:00:00Z", "after": 0}
    await window.page.add_init_script(
        f"sessionStorage.setItem('chat4all.unsent.{me}', {json.dumps(json.dumps([entry]))})"
    )
    await (await window.log_in(me)).open(other)
    await expect(window.message("newest")).to_be_visible()
    await window.box.press("ArrowUp")
    await window.say("newest, edited")
    async with asyncio.timeout(60):
        while (await hub.client(me).call("GET", f"/v1/messages/{newest}")).json()["content"] != "newest, edited":
            await asyncio.sleep(0.05)
