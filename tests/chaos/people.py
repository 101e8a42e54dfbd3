"""Those who write in a proof: a team's member over HTTP, and people with phones at the simulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from tests.chaos.hub import Hub, Patience
from tests.integration.simulator.world import Bot, Phone, Simulator

from chat4all.channels import telegram
from chat4all.client import Client

BOT: Final = "support_bot"


def simulated(simulator: Simulator, hub: Hub, *, webhook: bool = False, seconds: int = 3) -> Bot:
    """The hub's connector is the simulator's, by posts or by polls; an attempt may take so many `seconds`."""
    hub.set(CHAT4ALL_CHANNELS__SIMULATOR=simulator.url, CHAT4ALL_CHANNELS__ATTEMPT_SECONDS=str(seconds))
    if webhook:
        hub.set(CHAT4ALL_CHANNELS__PUBLIC_URL=hub.url)
    limits: dict[str, None] = dict.fromkeys(("chat_second", "group_minute", "bot_second"))
    simulator.control("PUT", "/telegram/limits", limits)
    return simulator.bot(BOT)


def connected(simulator: Simulator, hub: Hub, folder: Path) -> Bot:
    """The same by a file in `folder`, as for a real bot: the server starts where its provider is away, too."""
    bot = simulator.bot(BOT)
    limits: dict[str, None] = dict.fromkeys(("chat_second", "group_minute", "bot_second"))
    simulator.control("PUT", "/telegram/limits", limits)
    folder.mkdir()
    example = (Path(telegram.__file__).parent / "example.yaml").read_text(encoding="utf-8")
    secret, resource = yaml.safe_load_all(example)
    secret["stringData"]["botToken"] = bot.token
    resource["spec"]["config"] = {"baseURL": simulator.url}
    (folder / "support.yaml").write_text(yaml.safe_dump_all([secret, resource]))
    hub.set(CHAT4ALL_CHANNELS__FOLDER=str(folder), CHAT4ALL_CHANNELS__ATTEMPT_SECONDS="3")
    return bot


class Person:
    """Somebody with a phone, and the conversation that ana has with them."""

    def __init__(self, hub: Hub, ana: Client, bot: Bot, number: int) -> None:
        self.hub = hub
        self.ana = ana
        self.bot = bot
        self.first_name = f"Person {number}"
        self.phone: Phone = bot.simulator.phone(self.first_name, name=f"person_{number}")
        self.chat = ""

    async def write(self, text: str) -> int:
        """Write to the bot; the message's number on the phone."""
        return int((await asyncio.to_thread(self.phone.write, self.bot, text))["message_id"])

    async def rewrite(self, message: int, text: str) -> None:
        """Edit what was written."""
        await asyncio.to_thread(self.phone.edit, self.bot, message, text)

    async def shows(self) -> list[str]:
        """What the bot has said, as it stands on the phone now, the oldest first."""
        shown = await asyncio.to_thread(self.phone.shows, self.bot)
        return [one["text"] for one in shown if one["from"]["is_bot"]]

    async def meet(self) -> None:
        """They write for the first time, and have a conversation with ana."""
        await self.write("/start")
        await self.write("hello")
        patience = Patience(self.hub, f"a conversation with {self.phone.name}")
        while not self.chat:
            listed = await self.hub.call(self.ana, "GET", "/v1/conversations?limit=200")
            named = {name: one["conversation_id"] for one in listed for name in one["names"].values()}
            self.chat = named.get(self.first_name, "")
            await patience.wait()

    async def post(self, text: str) -> str:
        """What ana says to them, until it is accepted; its id."""
        body = {"chat_id": self.chat, "content": text}
        made = await self.hub.call(self.ana, "POST", "/v1/messages", body, key=text.replace(" ", "-"))
        return str(made["message_id"])


@asynccontextmanager
async def simulating(folder: Any) -> AsyncIterator[Simulator]:
    """A simulator of one's own."""
    simulator = await asyncio.to_thread(Simulator, folder / "simulator")
    try:
        yield simulator
    finally:
        await asyncio.to_thread(simulator.stop)
