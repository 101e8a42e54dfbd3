"""Pictures of the console for the documentation: light, dark, on a phone. `make screenshots` writes docs/screenshots/.

A server of its own, people who really talk, and Debian's Chromium (apt-get install chromium fonts-noto-core
fonts-noto-color-emoji).
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from chat4all.client import Client
from chat4all_devtools.server import Server

PICTURES: Final = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
DESK: Final = {"width": 1080, "height": 680}
PHONE: Final = {"width": 390, "height": 780}
FLAGS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PASSWORD: Final = "a-password-of-the-pictures"  # of users who live as long as this takes

TALK: Final = [
    ("bruno", "Bom dia! Meu pedido 4711 ainda não chegou 😕"),
    ("ana", "Bom dia, Bruno! Vou ver onde ele está."),
    ("ana", "Saiu ontem do centro de distribuição: https://example.org/4711"),
    ("bruno", "Ah, que bom. Chega hoje?"),
    ("ana", "Sim, até as 18 h. Aviso quando sair para entrega 🚚"),
]
OTHERS: Final = {
    "omar": ["مرحبا! هل يمكنني تغيير العنوان؟", "الشارع الجديد: شارع النخيل ١٢"],
    "helena": ["Obrigada pela ajuda de ontem!"],
    "irina": ["Спасибо за быстрый ответ!"],
}


async def talk(url: str) -> None:
    """Everything that the pictures show was said by somebody."""
    admin = Client(url, "admin", "demo")
    people = {name: Client(url, name, "demo") for name in ("ana", "bruno")}
    async with admin:
        for name, lines in OTHERS.items():
            await admin.call("POST", "/v1/users", {"username": name, "password": PASSWORD, "role": "user"})
            async with Client(url, name, PASSWORD) as person:
                chat = await person.conversation_with("ana")
                for line in lines:
                    await person.post(chat, line)
    chat = await people["bruno"].conversation_with("ana")
    ids = {}
    for name, line in TALK:
        ids[line] = await people[name].post(chat, line)
    body = {"chat_id": chat, "content": "Perfeito, obrigado! 🙏", "reply_to": ids[TALK[-1][1]]}
    await stored(people["bruno"], ids[TALK[-1][1]])
    await people["bruno"].call("POST", "/v1/messages", body)
    for person in people.values():
        await person.__aexit__()


async def stored(person: Client, message: str) -> None:
    """Wait until a message can be answered."""
    for _ in range(200):
        listed = (await person.call("GET", "/v1/conversations")).json()
        if any(one["preview"] and one["preview"]["message_id"] == message for one in listed):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(message)


async def window(browser: Browser, url: str, name: str, **looks: Any) -> Page:
    """Somebody's window with the conversation open."""
    page = await (await browser.new_context(**looks)).new_page()
    await page.goto(url)
    await page.locator(".demo button", has_text=name).click()
    other = "ana" if name == "bruno" else "bruno"
    await page.locator(".conversations a", has_text=other).first.click()
    await page.locator("article", has_text="Perfeito").wait_for()
    return page


async def take(browser: Browser, url: str) -> None:
    """The three pictures."""
    for name in ("bruno", "ana"):  # so that somebody is there, and all has been read
        await window(browser, url, name)
    looks: dict[str, dict[str, Any]] = {
        "light": {"viewport": DESK, "color_scheme": "light"},
        "dark": {"viewport": DESK, "color_scheme": "dark"},
        "phone": {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
    }
    for name, look in looks.items():
        page = await window(browser, url, "ana", locale="pt-BR", **look)
        await page.locator(".mine .state.read").last.wait_for()
        await page.locator(".presence.online").first.wait_for(state="attached")  # on a phone the list is behind
        await page.screenshot(path=PICTURES / f"{name}.png")


async def main() -> int:
    """Take them all."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no chromium on the path: apt-get install chromium", file=sys.stderr)
        return 1
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chat4all-pictures-") as folder:
        server = Server(Path(folder) / "data", Path(folder) / "server.log")
        server.start()
        try:
            await talk(server.url)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                await take(browser, server.url)
                await browser.close()
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
