"""Two people who talk, ana in Portuguese and bruno in English."""

import asyncio
from typing import NamedTuple

from playwright.async_api import expect
from tests.browser.hub import Hub
from tests.browser.windows import Desk, Window


class Pair(NamedTuple):
    """Their windows, in which they look at their conversation."""

    ana: Window
    bruno: Window

    async def reload(self) -> None:
        """Begin with a page that was just loaded, in which nothing is open and nothing half written."""
        for window, other in zip(self, reversed(self), strict=True):
            await window.page.reload()
            await expect(window.heading(other.username)).to_be_visible()

    def assert_well(self) -> None:
        """Fail where something happened that must not."""
        for window in self:
            window.assert_well()


async def talking(hub: Hub, desk: Desk) -> Pair:
    """Two newcomers in their conversation, ana in Portuguese, bruno in English."""
    names = await hub.newcomers("ana", "bruno")
    await hub.conversation(*names)
    ana, bruno = await desk.window(hub, "pt-BR"), await desk.window(hub, "en-US")
    await asyncio.gather(ana.log_in(names[0]), bruno.log_in(names[1]))
    await asyncio.gather(ana.open(names[1]), bruno.open(names[0]))
    await asyncio.gather(ana.status_becomes(names[1], "online"), bruno.status_becomes(names[0], "online"))
    return Pair(ana, bruno)
