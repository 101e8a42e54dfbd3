"""Updates posted to where a bot wants them: those of a chat in order, tried until they are taken.

https://core.telegram.org/bots/api#setwebhook, and
https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/WebhookActor.cpp
"""

import asyncio
import contextlib
import random
import socket
import ssl
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, NamedTuple

import httpx

from chat4all_simulator.faults.script import Script
from chat4all_simulator.journal import Journal
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.secrets import Secrets
from chat4all_simulator.telegram.urls import complete
from chat4all_simulator.telegram.world import Bot, World

_TIMEOUT: Final = 60.0  # seconds for an answer, in all
_READ: Final = 64 * 1024  # bytes of an answer that are looked at
_DOUBLINGS: Final = 4  # waits double so often, then they are drawn
_LONGEST: Final = 3600  # seconds that a receiver can ask for

_SECRET: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_ERRORS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx.ConnectTimeout, "Connection timed out"),
    (httpx.ConnectError, "Connection refused"),
    (httpx.TimeoutException, "Read timeout expired"),
    (TimeoutError, "Read timeout expired"),
    (httpx.RemoteProtocolError, ""),  # closed without an answer: tried again, and nothing is told
    (httpx.HTTPError, "Connection reset by peer"),
)


class _Answer(NamedTuple):
    """Of a receiver. `retry_after`: what it asks for, in seconds; nought: nothing."""

    status: int
    phrase: str
    retry_after: int


class Webhooks:
    """`retry_seconds`: the second wait. `script`: whose seed says in what order those come that may change places."""

    def __init__(
        self, world: World, secrets: Secrets, journal: Journal, script: Script, *, retry_seconds: float
    ) -> None:
        self._world = world
        self._script = script
        self._secrets = secrets
        self._journal = journal
        self._retry = retry_seconds
        self._chance = random.Random(script.seed)  # noqa: S311 - of long waits
        none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # one receiver's cookies are no other's business
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False, cookies=none)
        self._posting: dict[int, asyncio.Task[None]] = {}

    def start(self, bot: Bot) -> None:
        """Post to its webhook as it is now; ends what was begun for another."""
        self.end(bot)
        if bot.webhook.url:
            self._posting[bot.user.id] = asyncio.create_task(self._post(bot))

    def end(self, bot: Bot) -> None:
        """Nothing more is posted."""
        posting = self._posting.pop(bot.user.id, None)
        if posting is not None:
            posting.cancel()

    async def stop(self) -> None:
        """At the end of the process."""
        tasks = [*self._posting.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _post(self, bot: Bot) -> None:
        """Queues side by side, as many as the bot wants connections."""
        async with asyncio.TaskGroup() as group:
            busy: set[str] = set()
            while True:
                for queue in bot.mailbox.queues():
                    if queue not in busy and len(busy) < bot.webhook.max_connections:
                        busy.add(queue)
                        group.create_task(self._empty(bot, queue, busy))
                await bot.mailbox.changed()

    async def _empty(self, bot: Bot, queue: str, busy: set[str]) -> None:
        """Post a queue until nothing is left of it. Nothing may be awaited between that and leaving `busy`."""
        failures, at = 0, 0
        while (update := self._head(bot, queue)) is not None:
            failures, at = failures if update.update_id == at else 0, update.update_id
            answer, done = await self._try(bot, update)
            if done:
                continue
            if answer is None or not answer.retry_after:
                failures += 1
            await asyncio.sleep(self._wait(answer, failures))
        busy.discard(queue)

    def _head(self, bot: Bot, queue: str) -> events.Queued | None:
        self._world.expire(bot)
        return bot.mailbox.head(queue, self._script.seed)

    async def _try(self, bot: Bot, update: events.Queued) -> tuple[_Answer | None, bool]:
        """Post it once: the answer, and whether to look at once for what is next."""
        forged = bot.mailbox.is_forged(update.update_id)
        answer, error = await self._send(bot, update, forged=forged)
        if forged and answer is not None:  # whatever the receiver made of it, it has not had the right one
            self._world.change(events.Forged(bot.user.id, update.update_id))
            return answer, True
        if answer is not None and 200 <= answer.status < 300:
            for _ in range(update.copies):
                bot.mailbox.note_handed(update)
                await self._send(bot, update, forged=False)
            bot.mailbox.note_handed(update)
            self._world.change(events.Delivered(bot.user.id, update.update_id))
            return answer, True
        if error:
            self._world.change(events.WebhookFailed(bot.user.id, self._world.now(), error))
        return answer, False

    async def _send(self, bot: Bot, update: events.Queued, *, forged: bool) -> tuple[_Answer | None, str]:
        """The answer, or what went wrong, as the Bot API says it."""
        secret = self._secrets.of(bot.user.id)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if secret.secret_token or forged:
            headers[_SECRET] = "forged" if forged else secret.secret_token
        told = {"provider": "telegram", "bot": bot.user.username, "update_id": update.update_id}
        signed = "wrong" if forged else "right" if secret.secret_token else "none"
        number = self._journal.note("posted", **told, queue=update.queue, url=bot.webhook.url, secret=signed)
        self._journal.flush()
        try:
            answer = await self._post_once(complete(secret.url), bytes(update.update), headers)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, posting goes on
            said = _said(error)
            self._journal.note("post_failed", post=number, **told, error=said or "closed without an answer")
            return None, said
        self._journal.note("post_answered", post=number, **told, status=answer.status)
        return answer, f"Wrong response from the webhook: {answer.status} {answer.phrase}"

    async def _post_once(self, url: str, body: bytes, headers: dict[str, str]) -> _Answer:
        """The answer's head; of its body so much is read that the line can be used again, if it is short."""
        async with asyncio.timeout(_TIMEOUT):
            async with self._client.stream("POST", url, content=body, headers=headers) as answer:
                length = 0
                async for piece in answer.aiter_raw():
                    length += len(piece)
                    if length > _READ:
                        break
        phrase = answer.reason_phrase or _phrase(answer.status_code)
        return _Answer(answer.status_code, phrase, _asked(answer.headers.get("Retry-After", "")))

    def _wait(self, answer: _Answer | None, failures: int) -> float:
        if answer is not None and answer.retry_after:
            return float(answer.retry_after)
        if failures <= 1:
            return 0.0
        if failures - 2 > _DOUBLINGS:
            return self._retry * self._chance.uniform(30, 60)
        return self._retry * float(2 ** (failures - 2))


def _asked(retry_after: str) -> int:
    """In seconds; nought for what is no sensible number."""
    if not retry_after.isascii() or not retry_after.isdigit():
        return 0
    return min(int(retry_after[:9]), _LONGEST) if len(retry_after) < 10 else _LONGEST


def _said(error: Exception) -> str:
    """As the Bot API says it: the system's own words, mostly."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"SSL error {{{cause.reason or 'unknown'}}}"
        if isinstance(cause, socket.gaierror):
            return "Failed to resolve host"
        cause = cause.__cause__ or cause.__context__
    return next((text for kind, text in _ERRORS if isinstance(error, kind)), f"Can't send the request: {error}"[:200])


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return ""
