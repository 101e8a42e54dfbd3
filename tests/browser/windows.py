"""Windows with the console in them, used as people use them: by what is written there and read out, and by keys.

Only two things are asked of the markup: a message's place (`data-seq` of its article) and its text (`.text`).
"""

import asyncio
import re
from typing import Any, Final, Self
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect
from playwright.async_api import TimeoutError as TooLate
from playwright.async_api import WebSocket as Line
from tests.browser import words
from tests.browser.hub import DEADLINE, PASSWORD, Hub

DOWN: Final = ("Failed to load resource: net::ERR_", "WebSocket connection to")  # said by a browser without a server
REFUSED: Final = "Failed to load resource: the server responded with a status of {}"  # each refusal is said as well

# What a policy kept from happening is an error, wherever it came from.
_WATCH: Final = """addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
  console.error(`The policy was violated: ${violatedDirective} by ${blockedURI} ${sample}`))"""

# The browser draws a ring of its own ("auto") around what has no other.
_FOCUS: Final = """() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const ring = outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  const { width, height } = one.getBoundingClientRect();
  return [one.localName, one.getAttribute("aria-label") ?? one.innerText, ring && width > 0 && height > 0];
}"""


class Window:
    """What one person sees in front of them. `faults`: what must not have happened in it."""

    def __init__(self, page: Page, hub: Hub, locale: str) -> None:
        self.page = page
        self.hub = hub
        self.words = words.of(locale)
        self.username = ""
        self.lines: list[Line] = []
        self.faults: list[str] = []
        self._borne: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.faults.append(f"an exception: {error}"))
        page.on("request", self._on_request)
        page.on("websocket", self._on_line)

    def bears(self, *beginnings: str) -> None:
        """Errors in the browser's console that begin like this are part of the test, from now on."""
        self._borne += beginnings

    def assert_well(self) -> None:
        """Fail where something happened in it that must not."""
        faults, self.faults = self.faults, []
        assert not faults, "\n".join(f"{self.username or 'a stranger'}: {fault}" for fault in faults)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "assert"} and not message.text.startswith(tuple(self._borne)):
            self.faults.append(f"in the browser's console: {message.text} ({message.location['url']})")

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.hub.url).netloc:
            self.faults.append(f"a request to another host: {request.url}")

    def _on_line(self, line: Line) -> None:
        self.lines.append(line)
        if urlsplit(line.url).netloc != urlsplit(self.hub.url).netloc:
            self.faults.append(f"a WebSocket to another host: {line.url}")

    async def visit(self, path: str = "/") -> Self:
        """Go to the console."""
        await self.page.goto(self.hub.url + path)
        return self

    async def log_in(self, username: str, password: str = PASSWORD) -> Self:
        """As one does who has a password, from the address on."""
        await self.visit()
        await self.page.get_by_label(self.words.username).fill(username)
        await self.page.get_by_label(self.words.password).fill(password)
        await self.page.get_by_role("button", name=self.words.log_in, exact=True).click()
        await expect(self.side).to_be_visible()
        self.username = username
        return self

    @property
    def side(self) -> Locator:
        """The part with the conversations."""
        return self.page.get_by_role("region", name=self.words.conversations)

    def entry(self, title: str) -> Locator:
        """A conversation in the list."""
        links = self.page.get_by_role("navigation", name=self.words.conversations).get_by_role("link")
        return links.filter(has=self.page.get_by_text(title, exact=True))

    async def open(self, title: str) -> Self:
        """Choose a conversation."""
        await self.entry(title).click()
        await expect(self.heading(title)).to_be_visible()
        return self

    def heading(self, title: str) -> Locator:
        """The title of the open conversation."""
        return self.page.get_by_role("main").get_by_role("heading", name=title, exact=True)

    @property
    def about(self) -> Locator:
        """The line below the title: who is there, who writes."""
        return self.page.get_by_role("main").get_by_role("status").first

    @property
    def box(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox", name=re.compile("^" + self.words.write_to.format("")))

    async def say(self, text: str) -> None:
        """Write a message and send it; of several lines with Shift+Enter."""
        first, *others = text.split("\n")
        await self.box.fill(first)
        for line in others:
            await self.box.press("Shift+Enter")
            await self.page.keyboard.insert_text(line)
        await self.box.press("Enter")

    @property
    def log(self) -> Locator:
        """The messages of the open conversation."""
        return self.page.get_by_role("log")

    def message(self, text: str) -> Locator:
        """The message that says exactly this."""
        return self.log.get_by_role("article").filter(has=self.page.locator(".text", has_text=_exactly(text)))

    def state(self, text: str, state: str) -> Locator:
        """The sign at one's own message that it got so far."""
        return self.message(text).get_by_role("img", name=state, exact=True)

    async def act(self, text: str, action: str) -> None:
        """Press one of the buttons that appear at a message."""
        await self.message(text).hover()
        await self.message(text).get_by_role("button", name=action, exact=True).click()

    async def texts(self) -> list[str]:
        """What the drawn messages say, in order."""
        return await self.log.locator(".text").all_text_contents()

    async def seqs(self) -> list[int]:
        """The places of the drawn messages that are stored."""
        drawn = await self.log.locator("article").evaluate_all("all => all.map((one) => one.dataset.seq)")
        return [int(seq) for seq in drawn if seq]

    async def focused(self) -> str:
        """What has the focus: its element and what it is called. Fails where nothing has it, or nothing shows it."""
        try:
            await self.page.wait_for_function("() => document.activeElement !== document.body")
        except TooLate as error:
            raise AssertionError("the focus is lost") from error
        tag, name, seen = await self.page.evaluate(_FOCUS)
        assert seen, f"{tag} {name!r} has the focus, and nothing shows it"
        return f"{tag} {name}"

    @property
    def dialog(self) -> Locator:
        """The dialog that is open."""
        return self.page.get_by_role("dialog")

    @property
    def banner(self) -> Locator:
        """What stands over everything while the connection is lost."""
        return self.page.get_by_role("status").filter(has_text=self.words.lost)

    async def status_becomes(self, asker: str, status: str) -> None:
        """Wait until the server says of this one that they are here, or are not."""
        async with asyncio.timeout(DEADLINE):
            while await self.hub.status(asker, self.username) != status:
                await asyncio.sleep(0.05)

    async def find(self, username: str) -> None:
        """Begin a conversation with somebody, or come back to it."""
        await self.page.get_by_role("button", name=self.words.new_conversation).click()
        await self.dialog.get_by_label(self.words.username).fill(username)
        await self.dialog.get_by_role("button", name=self.words.chat_with.format(username), exact=True).click()
        await expect(self.dialog).to_be_hidden()
        await expect(self.heading(username)).to_be_visible()


class Desk:
    """All windows of a test: each person's own, without anything in common but the server."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._windows: list[Window] = []

    async def window(self, hub: Hub, locale: str = "en-US", *, beside: Window | None = None, **context: Any) -> Window:
        """Open one. `beside`: as a tab next to this; `context`: as Playwright's new_context takes it."""
        if beside is None:
            within = await self._browser.new_context(locale=locale, **context)
            within.set_default_timeout(DEADLINE * 1000)
            await within.add_init_script(_WATCH)
            self._contexts.append(within)
        else:
            within = beside.page.context
        return self.watch(await within.new_page(), hub, locale)

    def watch(self, page: Page, hub: Hub, locale: str = "en-US") -> Window:
        """A page that opened by itself."""
        window = Window(page, hub, locale)
        self._windows.append(window)
        return window

    async def close(self) -> None:
        """Close them all. Fails where something happened in one of them that must not."""
        for context in self._contexts:
            await context.close()
        for window in self._windows:
            window.assert_well()


def _exactly(text: str) -> re.Pattern[str]:
    # Playwright compares with white space as it is.
    return re.compile("^" + re.escape(text) + "$")
