"""The keyboard of a window: after every key something has the focus, and one sees what."""

import itertools

from playwright.async_api import expect
from tests.browser.windows import Window

_numbers = itertools.count(1)


class Keys:
    """Whoever has no mouse."""

    def __init__(self, window: Window, other: str = "", title: str = "") -> None:
        self.window = window
        self.other = other
        self.title = title
        self._keyboard = window.page.keyboard

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self._keyboard.press(key)
            await self.window.focused()

    async def write(self, text: str) -> None:
        await self._keyboard.type(text)
        await self.window.focused()

    async def to_message(self, text: str) -> None:
        """From the text box back to the message log, and up to this one."""
        await self.press("Shift+Tab")
        while await self.window.page.evaluate("() => document.activeElement.role") != "log":  # links in messages
            await self.press("Shift+Tab")
        await self.press("ArrowUp")
        for _ in range(await self.window.log.get_by_role("article").count()):
            if text in await self.window.focused():
                break
            await self.press("ArrowUp")
        await expect(self.window.message(text)).to_be_focused()


async def at_the_keyboard(window: Window, other: str) -> Keys:
    """In a new conversation, in which this window's one has said `one` and `two`, and the other one `three`."""
    hub, me = window.hub, window.username
    title = f"No. {next(_numbers)}"
    conversation = await hub.conversation(me, other, title=title)
    for who, text in ((me, "one"), (me, "two"), (other, "three")):
        await hub.say(who, conversation, text)
    await window.visit()
    await window.open(title)
    await expect(window.message("three")).to_be_visible()
    await expect(window.box).to_be_focused()
    return Keys(window, other, title)
