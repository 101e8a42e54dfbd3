"""The machine's own Chromium, one for all; a server that most tests share; windows that are looked after.

A test's people are its own (`hub.newcomer`). All run in one loop: the browser lives as long as the session.
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect
from tests.browser.hub import DEADLINE, Hub
from tests.browser.keys import Keys, at_the_keyboard
from tests.browser.windows import Desk, Window

Starts = Callable[..., Awaitable[Hub]]

_ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests; who is who is a matter of contexts."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("There is no chromium. On Debian: apt-get install chromium")
    expect.set_options(timeout=DEADLINE * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hub]:
    """The server that tests share."""
    shared = Hub(tmp_path_factory.mktemp("hub"))
    await shared.start()
    yield shared
    await shared.close()


@pytest_asyncio.fixture(loop_scope="session")
async def starts(tmp_path: Path) -> AsyncIterator[Starts]:
    """Start a server of the test's own: `await starts(CHAT4ALL_ACCOUNTS__TOKEN_SECONDS="4")`."""
    started: list[Hub] = []

    async def start(**settings: str) -> Hub:
        folder = tmp_path / f"hub{len(started)}"
        folder.mkdir()
        started.append(Hub(folder, settings))
        await started[-1].start()
        return started[-1]

    yield start
    for one in started:
        await one.close()


@pytest_asyncio.fixture(loop_scope="session")
async def desk(chromium: Browser) -> AsyncIterator[Desk]:
    """Windows of a test."""
    opened = Desk(chromium)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_desk(chromium: Browser) -> AsyncIterator[Desk]:
    """Windows that stay open for a table of cases."""
    opened = Desk(chromium)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def typist(hub: Hub, shared_desk: Desk) -> tuple[Window, str]:
    """A window of somebody who is logged in, and somebody else."""
    me, other = await hub.newcomers("me", "other")
    return await (await shared_desk.window(hub)).log_in(me), other


@pytest_asyncio.fixture(loop_scope="session")
async def keys(typist: tuple[Window, str]) -> AsyncIterator[Keys]:
    """The keyboard of this window, in which a new conversation is open."""
    yield await at_the_keyboard(*typist)
    typist[0].assert_well()
