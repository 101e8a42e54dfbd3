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

_ANSWER_TIMEOUT_SECONDS: Final = 60.0  # for the whole exchange
_MAX_ANSWER_BYTES: Final = 64 * 1024  # more of an answer is not read
_MAX_WAIT_DOUBLINGS: Final = 4  # after these, waits are drawn at random
_MAX_RETRY_AFTER_SECONDS: Final = 3600  # a receiver can ask for no longer wait

_SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_ERROR_TEXTS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx.ConnectTimeout, "Connection timed out"),
    (httpx.ConnectError, "Connection refused"),
    (httpx.TimeoutException, "Read timeout expired"),
    (TimeoutError, "Read timeout expired"),
    (httpx.RemoteProtocolError, ""),  # closed without an answer: tried again, and not shown in WebhookInfo
    (httpx.HTTPError, "Connection reset by peer"),
)


class _Answer(NamedTuple):
    """What a receiver answered; `retry_after`: the wait that it asks for, in seconds; 0: none."""

    status: int
    phrase: str
    retry_after: int


class Webhooks:
    """Posts the updates of all bots. `retry_seconds`: the second wait before a post is tried again.

    `script`: its seed says in what order those come that may change places.
    """

    def __init__(
        self, world: World, secrets: Secrets, journal: Journal, script: Script, *, retry_seconds: float
    ) -> None:
        self._world = world
        self._script = script
        self._secrets = secrets
        self._journal = journal
        self._retry_seconds = retry_seconds
        self._chance = random.Random(script.seed)  # noqa: S311 - it draws the long waits
        # One receiver's cookies are no other's business.
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        limits = httpx.Limits(max_connections=None)
        timeout = _ANSWER_TIMEOUT_SECONDS
        self._client = httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False, cookies=jar)
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, bot: Bot) -> None:
        """Post a bot's updates to its webhook as it is now; ends what was begun for another."""
        self.end(bot)
        if bot.webhook.url:
            self._tasks[bot.user.id] = asyncio.create_task(self._post(bot))

    def end(self, bot: Bot) -> None:
        """Post nothing more for this bot."""
        task = self._tasks.pop(bot.user.id, None)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """Cancel all posting and close the connections."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _post(self, bot: Bot) -> None:
        """Post the queues side by side, as many as the bot wants connections."""
        async with asyncio.TaskGroup() as group:
            busy: set[str] = set()
            while True:
                for queue in bot.mailbox.queues():
                    if queue not in busy and len(busy) < bot.webhook.max_connections:
                        busy.add(queue)
                        group.create_task(self._empty(bot, queue, busy))
                await bot.mailbox.changed()

    async def _empty(self, bot: Bot, queue: str, busy: set[str]) -> None:
        """Post a queue until it is empty. Nothing may be awaited between finding it so and leaving `busy`."""
        failures, at = 0, 0
        while (update := self._head(bot, queue)) is not None:
            failures, at = failures if update.update_id == at else 0, update.update_id
            answer, next_at_once = await self._try(bot, update)
            if next_at_once:
                continue
            if answer is None or not answer.retry_after:
                failures += 1
            await asyncio.sleep(self._wait(answer, failures))
        busy.discard(queue)

    def _head(self, bot: Bot, queue: str) -> events.Queued | None:
        self._world.expire(bot)
        return bot.mailbox.head(queue, self._script.seed)

    async def _try(self, bot: Bot, update: events.Queued) -> tuple[_Answer | None, bool]:
        """Post an update once; return the answer, and whether to look at once for what is next."""
        forged = bot.mailbox.is_forged(update.update_id)
        answer, error = await self._send(bot, update, forged=forged)
        if forged and answer is not None:  # whatever the receiver made of it, it has not had the true one
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
        """Post an update; return the answer, if any, and what went wrong in the Bot API's words."""
        secret = self._secrets.of(bot.user.id)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if secret.secret_token or forged:
            headers[_SECRET_HEADER] = "forged" if forged else secret.secret_token
        fields = {"provider": "telegram", "bot": bot.user.username, "update_id": update.update_id}
        secret_state = "wrong" if forged else "right" if secret.secret_token else "none"
        number = self._journal.note("posted", **fields, queue=update.queue, url=bot.webhook.url, secret=secret_state)
        self._journal.flush()
        try:
            answer = await self._post_once(complete(secret.url), bytes(update.update), headers)
        except Exception as error:  # noqa: BLE001 - whatever a receiver does, posting goes on
            reason = _reason(error)
            self._journal.note("post_failed", post=number, **fields, error=reason or "closed without an answer")
            return None, reason
        self._journal.note("post_answered", post=number, **fields, status=answer.status)
        return answer, f"Wrong response from the webhook: {answer.status} {answer.phrase}"

    async def _post_once(self, url: str, body: bytes, headers: dict[str, str]) -> _Answer:
        """Return the answer's head; a short body is read to its end, so that the connection can be used again."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_SECONDS):
            async with self._client.stream("POST", url, content=body, headers=headers) as answer:
                length = 0
                async for piece in answer.aiter_raw():
                    length += len(piece)
                    if length > _MAX_ANSWER_BYTES:
                        break
        phrase = answer.reason_phrase or _phrase(answer.status_code)
        return _Answer(answer.status_code, phrase, _retry_after_seconds(answer.headers.get("Retry-After", "")))

    def _wait(self, answer: _Answer | None, failures: int) -> float:
        if answer is not None and answer.retry_after:
            return float(answer.retry_after)
        if failures <= 1:
            return 0.0
        if failures - 2 > _MAX_WAIT_DOUBLINGS:
            return self._retry_seconds * self._chance.uniform(30, 60)
        return self._retry_seconds * float(2 ** (failures - 2))


def _retry_after_seconds(retry_after: str) -> int:
    """Return the header's seconds, bounded; 0 for what is no sensible number."""
    if not retry_after.isascii() or not retry_after.isdigit():
        return 0
    return min(int(retry_after[:9]), _MAX_RETRY_AFTER_SECONDS) if len(retry_after) < 10 else _MAX_RETRY_AFTER_SECONDS


def _reason(error: Exception) -> str:
    """Return an error in the Bot API's words, which are mostly the system's own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"SSL error {{{cause.reason or 'unknown'}}}"
        if isinstance(cause, socket.gaierror):
            return "Failed to resolve host"
        cause = cause.__cause__ or cause.__context__
    texts = (text for kind, text in _ERROR_TEXTS if isinstance(error, kind))
    return next(texts, f"Can't send the request: {error}"[:200])


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return ""
