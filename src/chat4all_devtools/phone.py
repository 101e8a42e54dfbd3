"""chat4all phone: one of the simulator's phones, in the terminal."""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer

from chat4all.cli import output
from chat4all.cli.options import As, Json
from chat4all.client import AnswerError

_RETRY_SECONDS: Final = 1.0  # until a line is made again
_HELP: Final = (
    "/reply N text, /edit N text, /delete N, /block, /unblock; Ctrl+D ends; anything else is said, /start too."
)


def run(
    username: As = "bruno",
    bot: Annotated[str, typer.Option("--with", help="The bot, or a group's id; else the only bot there is.")] = "",
    url: Annotated[
        str, typer.Option("--simulator", envvar="CHAT4ALL_SIMULATOR_URL", help="Where the simulator is.")
    ] = "http://localhost:8020",
    say: Annotated[str, typer.Option("--say", help="Say this, and end.")] = "",
    as_json: Json = False,
) -> None:
    """Chat from a simulator's phone.

    Shows what was said and what comes; every line you type is sent. A phone that is not there is made. With --json: the
    Bot API's Message objects, one a line, and what else happens as the simulator's stream tells it.

    Example: chat4all phone --as bruno
    """
    try:
        well = asyncio.run(_Phone(url.rstrip("/"), username, as_json=as_json).chat(bot, say))
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise AnswerError(f"No simulator answers at {url}: {error}. Start one: chat4all simulator") from error
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    if not well:
        raise typer.Exit(1)


class _Phone:
    def __init__(self, url: str, username: str, *, as_json: bool) -> None:
        self._url = f"{url}/control/telegram"
        self._name = username
        self._json = as_json
        self._me = 0
        self._chat = ""
        self._last = 0  # of the messages that were shown
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(10, read=None), trust_env=False)

    async def chat(self, bot: str, say: str) -> bool:
        """Whether all that was typed was sent; on a terminal one sees what was not."""
        async with self._client:
            await self._pick_up()
            self._chat = bot or await self._only_bot()
            if say:
                self._show(await self._ask("POST", "/messages", {"text": say}))
                return True
            await self._ask("GET", "", None)  # a bot that is not there ends it here
            if not self._json and sys.stdin.isatty():
                output.lines().print(_HELP, style="dim", markup=False)
            listening = asyncio.create_task(self._listen())
            try:
                return await self._type() or sys.stdin.isatty()
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _pick_up(self) -> None:
        people = await self._call("GET", "/phones")
        mine = [one for one in people if one["username"].lower() == self._name.lower()]
        self._me = (mine[0] if mine else await self._call("PUT", f"/phones/{self._name}", {}))["id"]

    async def _only_bot(self) -> str:
        bots = await self._call("GET", "/bots")
        if len(bots) != 1:
            names = ", ".join(one["username"] for one in bots) or "none yet"
            raise AnswerError(f"Which bot? --with NAME. There is: {names}.")
        return str(bots[0]["username"])

    async def _listen(self) -> None:
        """Follow what happens, for as long as it takes; a line that is lost is made again."""
        while True:
            with contextlib.suppress(httpx.TransportError, AnswerError):
                async with contextlib.aclosing(self._events()) as events:
                    async for event in events:
                        await self._take(event)
            output.note("The line to the simulator is lost; trying again.")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        async with self._client.stream("GET", f"{self._url}/phones/{self._name}/stream") as answer:
            async for line in answer.aiter_lines():
                if line == ": begin":
                    yield {"what": "begun"}
                elif line.startswith("data: "):
                    yield msgspec.json.decode(line[6:])

    async def _take(self, event: dict[str, Any]) -> None:
        if event["what"] == "begun":
            for message in await self._ask("GET", "", None):
                if message["message_id"] > self._last:
                    self._show(message)
        elif await self._is_here(event):
            self._tell(event)

    async def _is_here(self, event: dict[str, Any]) -> bool:
        if "chat" not in event:
            return False
        if self._chat.lstrip("-").isdigit():
            return str(event["chat"]) == self._chat
        return bool(event["chat"] == (await self._call("GET", f"/bots/{self._chat}"))["id"])

    async def _type(self) -> bool:
        """Send every line that is typed, until there are no more; whether all were sent."""
        lines: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in iter(sys.stdin.buffer.readline, b""):
                loop.call_soon_threadsafe(lines.put_nowait, line.decode("utf-8", "replace"))
            loop.call_soon_threadsafe(lines.put_nowait, "")

        # A thread that nothing waits for: what reads a terminal cannot be ended.
        threading.Thread(target=read, daemon=True).start()
        well = True
        while line := await lines.get():
            try:
                await self._do(line.strip())
            except (AnswerError, httpx.TransportError) as error:
                output.note(str(error) or type(error).__name__)
                well = False
        return well

    async def _do(self, line: str) -> None:
        match line.split(" ", 2):
            case [""]:
                return
            case ["/reply", number, text] if number.isascii() and number.isdigit():
                await self._ask("POST", "/messages", {"text": text, "reply_to": int(number)})
            case ["/edit", number, text] if number.isascii() and number.isdigit():
                await self._ask("PATCH", f"/messages/{number}", {"text": text})
            case ["/delete", number] if number.isascii() and number.isdigit():
                await self._ask("DELETE", f"/messages/{number}", None)
            case ["/block" | "/unblock" as order]:
                await self._ask("PUT", "/blocked", {"blocked": order == "/block"})
            case _:
                await self._ask("POST", "/messages", {"text": line})

    async def _ask(self, verb: str, path: str, body: object) -> Any:
        return await self._call(verb, f"/phones/{self._name}/chats/{self._chat}{path}", body)

    async def _call(self, verb: str, path: str, body: object = None) -> Any:
        answer = await self._client.request(verb, self._url + path, json=body)
        if not answer.headers.get("Content-Type", "").startswith("application/json"):
            raise AnswerError(f"What answers at {self._url} is no simulator.", answer.status_code)
        told = answer.json()
        if answer.status_code != 200:
            detail = told.get("detail", "It was refused.")
            said = detail if isinstance(detail, str) else "; ".join(one["msg"] for one in detail)
            raise AnswerError(said, answer.status_code)
        return told

    def _tell(self, event: dict[str, Any]) -> None:
        if event["what"] == "message":
            self._show(event["message"])
        elif self._json:
            output.emit(event)
        elif event["what"] == "edited":
            self._show(event["message"], edited=True)
        elif event["what"] == "deleted":
            self._print(f"   deleted: {', '.join(map(str, event['message_ids']))}")
        elif event["what"] == "blocked":
            self._print("   the bot is blocked" if event["blocked"] else "   the bot is unblocked")
        elif event["what"] == "typing":
            self._print(f"   … {event['action']}")

    def _show(self, message: dict[str, Any], *, edited: bool = False) -> None:
        self._last = max(self._last, message["message_id"])
        if self._json:
            output.emit(message)
            return
        who = "you" if message["from"]["id"] == self._me else message["from"]["first_name"]
        reply = message.get("reply_to_message")
        about = (f" (to {reply['message_id']})" if reply else "") + (" (edited)" if edited else "")
        self._print(f"{message['message_id']:>4} {who}{about}: {message.get('text', '')}")

    def _print(self, text: str) -> None:
        output.lines().print(output.plain(text), markup=False, highlight=False)
