"""The second story of the demo: bruno is on Telegram too, and clara, whom nobody knew."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from chat4all.client import DEMO_PASSWORD, Client, Frame
from chat4all_devtools.phones import Phones
from chat4all_devtools.server import Running
from chat4all_devtools.story import Teller, Timeline, UnseenError

T = TypeVar("T")

_FIRST_TEXT: Final = "O pedido saiu agora."
_SEEN_SECONDS: Final = 20.0  # in which anything that is to be seen must be seen
_LOOK_SECONDS: Final = 0.05  # between looks
_ATTEMPT_SECONDS: Final = 3  # an attempt may take: a crash leaves one open for so long
_RETRY_AFTER_SECONDS: Final = 3  # that the simulator asks us to wait


class TelegramStory:
    """Tells it once, on a server that it starts again with a connector to the simulator at `url`."""

    def __init__(self, server: Running, url: str, teller: Teller) -> None:
        self._server = server
        self._url = url
        self._step = teller
        self._ana = Client(server.url, "ana", DEMO_PASSWORD)
        self._phones = Phones(url)
        self._heard: list[Frame] = []
        self._chat = ""
        self._strangers = ""

    async def tell(self) -> None:
        """Every step in turn. Raises UnseenError, AnswerError, TimeoutError."""
        began = time.monotonic()
        self._server.set(
            CHAT4ALL_CHANNELS__SIMULATOR=self._url, CHAT4ALL_CHANNELS__ATTEMPT_SECONDS=str(_ATTEMPT_SECONDS)
        )
        await self._restart()
        async with self._ana, self._phones:
            await self._registered("Polling")
            self._step(f"a simulator of Telegram runs at {self._url}; bruno is on it, and a connector polls it")
            self._chat = await self._ana.conversation_with("bruno")
            listening = asyncio.create_task(self._listen())
            try:
                await self._chapters()
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
        self._step(f"Finished in {time.monotonic() - began:.1f} s")

    async def _chapters(self) -> None:
        await self._out()
        await self._back("Obrigada, Ana!", "by polling")
        await self._by_webhook()
        await self._back("E agora por webhook.", "by webhook")
        await self._quote()
        await self._stranger()
        await self._limited()
        await self._killed()
        calls = await self._phones.calls("sendMessage", _FIRST_TEXT)
        self._check(len(calls) == 1, f"{len(calls)} calls of sendMessage for “{_FIRST_TEXT}”")

    async def _out(self) -> None:
        await self._post(self._chat, _FIRST_TEXT, "bruno")
        calls = await self._phones.calls("sendMessage", _FIRST_TEXT)
        self._check(len(calls) == 1, f"{len(calls)} calls of sendMessage")
        self._step(f"ana posts “{_FIRST_TEXT}” to all channels: bruno's phone gets exactly one sendMessage")

    async def _back(self, text: str, how: str) -> None:
        began = time.perf_counter()
        await self._phones.write("bruno", text)
        frame = await self._hears(text)
        self._check(frame["sender_id"] == "bruno" and frame["conversation_id"] == self._chat, str(frame))
        took = 1000 * (time.perf_counter() - began)
        self._step(f"bruno answers from the phone “{text}”: ana's WebSocket shows it {took:.0f} ms later, {how}")

    async def _by_webhook(self) -> None:
        self._server.stop()
        self._server.set(CHAT4ALL_CHANNELS__PUBLIC_URL=self._server.url)
        await self._restart()
        await self._registered("Webhook")
        self._step("the server is started again with a public URL: the connector has set its webhook")

    async def _quote(self) -> None:
        group = await self._ana.conversation_with("bruno", "admin")
        await self._post(group, "Reunião às dez?", "bruno")
        shown = await self._phones.shows("bruno")
        older = next(one["message_id"] for one in shown if one.get("text") == _FIRST_TEXT)
        await self._phones.write("bruno", "Que horas chega?", quoting=older)
        frame = await self._hears("Que horas chega?")
        self._check(frame["conversation_id"] == self._chat, f"it is in {frame['conversation_id']}")
        self._step("ana writes to bruno in a group too; bruno quotes the older message: it lands in that conversation")

    async def _stranger(self) -> None:
        await self._phones.make("clara")
        await self._phones.write("clara", "Olá, vocês abrem hoje?")
        frame = await self._hears("Olá, vocês abrem hoje?")
        new = (await self._ana.call("GET", f"/v1/conversations/{frame['conversation_id']}")).json()
        self._check("ana" in new["members"] and list(new["names"].values()) == ["Clara"], str(new))
        self._strangers = str(frame["conversation_id"])
        self._step("clara, whom nobody knows, writes: she is a contact in a new conversation with ana")

    async def _limited(self) -> None:
        """The simulator will have nothing more for bruno's chat for a while."""
        bruno = await self._phones.make("bruno")
        too_many = {"fault": "too_many_requests", "retry_after": _RETRY_AFTER_SECONDS}
        on = {"method": "sendMessage", "chat": bruno}
        await self._phones.fails({"id": "limit", "on": on, "times": 1, "do": too_many})
        began = time.monotonic()
        late = asyncio.create_task(self._post(self._chat, "Chega às quatro.", "bruno"))
        await self._until(lambda: self._phones.calls("sendMessage", "Chega às quatro."), "the call is refused")
        await self._post(self._strangers, "Sim, até às oito.", "clara")
        soon = time.monotonic() - began
        self._check(not late.done(), "bruno's chat did not wait")
        await late
        waited = time.monotonic() - began
        self._check(waited >= _RETRY_AFTER_SECONDS, f"bruno's chat waited {waited:.1f} s only")
        self._step(
            f"the simulator answers 429, retry after {_RETRY_AFTER_SECONDS} s, for bruno's chat: clara has the message "
            f"after {soon:.1f} s, bruno after {waited:.1f} s"
        )

    async def _killed(self) -> None:
        text = "Isto não se perde."
        slow = {"fault": "slow", "seconds": 30, "when": "after"}
        await self._phones.fails({"id": "slow", "on": {"method": "sendMessage"}, "times": 1, "do": slow})
        message = await self._ana.post(self._chat, text)
        await self._until(lambda: self._phones.calls("sendMessage", text), "the connector calls")
        self._server.kill()
        await self._restart()
        events = await self._until(lambda: self._sent(message), "it is sent")
        shown = [one.get("text") for one in await self._phones.shows("bruno")].count(text)
        doubts = sum("doubt" in event["detail"] for event in events)
        self._check(1 <= shown <= 1 + doubts, f"the phone shows it {shown} times, with {doubts} doubts")
        self._step(
            f"the connector is killed (SIGKILL) in the middle of a send, and started again: the phone has it ({shown}, "
            f"of at most 1 + {doubts} in doubt)",
            Timeline(message, events),
        )

    async def _sent(self, message: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = (await self._ana.call("GET", f"/v1/messages/{message}/timeline")).json()
        return events if any(event["what"] == "sent" for event in events) else []

    async def _post(self, chat: str, text: str, phone: str) -> None:
        """Ana posts, and the phone shows it."""
        body = {"chat_id": chat, "content": text, "channels": ["all"]}
        await self._ana.call("POST", "/v1/messages", body)

        async def shown() -> bool:
            return any(one.get("text", "").endswith(text) for one in await self._phones.shows(phone))

        await self._until(shown, f"{phone}'s phone shows “{text}”")

    async def _listen(self) -> None:
        async for _, frame in self._ana.frames({}):
            self._heard.append(frame)

    async def _hears(self, text: str) -> Frame:
        async def heard() -> list[Frame]:
            return [one for one in self._heard if one["type"] == "message" and one["content"] == text]

        found: list[Frame] = await self._until(heard, f"ana's WebSocket shows “{text}”")
        self._check(len(found) == 1, f"ana saw it {len(found)} times")
        return found[0]

    async def _registered(self, mode: str) -> None:
        async def so() -> bool:
            found = (await self._ana.call("GET", "/v1/connectors")).json()
            return any(one["mode"] == mode and one["registered"] for one in found)

        await self._until(so, "the connector is registered")

    async def _restart(self) -> None:
        self._server.stop()
        await asyncio.to_thread(self._server.start)

    async def _until(self, look: Callable[[], Awaitable[T]], what: str) -> T:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_SECONDS):
                while True:
                    if found := await look():
                        return found
                    await asyncio.sleep(_LOOK_SECONDS)
        raise UnseenError(f"not in {_SEEN_SECONDS:.0f} s: {what}")

    def _check(self, right: bool, otherwise: str) -> None:
        if not right:
            raise UnseenError(otherwise)
