"""Updates posted to where a bot wants them: those of a chat in order, tried until they are taken.

https://core.telegram.org/bots/api#setwebhook, and
https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/WebhookActor.cpp
"""

import asyncio
import contextlib
import random
from http import HTTPStatus
from typing import Final

import httpx

from chat4all.simulator.journal import Journal
from chat4all.simulator.telegram import events
from chat4all.simulator.telegram.secrets import Secrets
from chat4all.simulator.telegram.world import Bot, World

_TIMEOUT: Final = 60.0  # seconds for an answer
_DOUBLINGS: Final = 4  # waits double so often, then they are drawn
_LONGEST: Final = 3600.0  # seconds that a receiver can ask for

_SECRET: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_ERRORS: Final[tuple[tuple[type[httpx.HTTPError], str], ...]] = (
    (httpx.ConnectTimeout, "Connection timed out"),
    (httpx.ConnectError, "Connection refused"),
    (httpx.TimeoutException, "Read timeout expired"),
    (httpx.RemoteProtocolError, ""),  # closed without an answer: tried again, and nothing is told
    (httpx.HTTPError, "Connection reset by peer"),
)


class Webhooks:
    """`retry_seconds`: the second wait. `seed`: of the order of those that may change places, and of long waits."""

    def __init__(self, world: World, secrets: Secrets, journal: Journal, retry_seconds: float, seed: int) -> None:
        self._world = world
        self._secrets = secrets
        self._journal = journal
        self._retry = retry_seconds
        self._chance = random.Random(seed)  # noqa: S311 - it has to be repeatable
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, limits=httpx.Limits(max_connections=None), trust_env=False)
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
        while (update := bot.mailbox.head(queue, self._chance)) is not None:
            failures = 0
            while (wait := await self._try(bot, update, failures)) is not None:
                failures += 1
                await asyncio.sleep(wait)
                if update.until < self._world.clock.now():
                    self._world.change(events.Delivered(bot.user.id, update.update_id, reason="too old"))
                    break
        busy.discard(queue)

    async def _try(self, bot: Bot, update: events.Queued, failures: int) -> float | None:
        """Post it once. None: it is done with; else how long to wait, in seconds."""
        forged = bot.mailbox.forge(update)
        answer, error = await self._send(bot, update, forged=forged)
        if answer is not None and answer.is_success:
            for _ in range(update.copies):
                bot.mailbox.note_handed(update)
                await self._send(bot, update, forged=False)
            bot.mailbox.note_handed(update)
            self._world.change(events.Delivered(bot.user.id, update.update_id))
            return None
        if forged:
            return 0.0
        if error:
            self._world.change(events.WebhookFailed(bot.user.id, self._world.now(), error))
        return self._wait(answer, failures)

    async def _send(self, bot: Bot, update: events.Queued, *, forged: bool) -> tuple[httpx.Response | None, str]:
        """The answer, or what went wrong, as the Bot API says it."""
        secret = self._secrets.of(bot.user.id).secret_token
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if secret or forged:
            headers[_SECRET] = "forged" if forged else secret
        told = {"provider": "telegram", "bot": bot.user.username, "update_id": update.update_id}
        signed = "wrong" if forged else "right" if secret else "none"
        number = self._journal.note("posted", **told, queue=update.queue, url=bot.webhook.url, secret=signed)
        self._journal.flush()
        try:
            answer = await self._client.post(bot.webhook.url, content=bytes(update.update), headers=headers)
        except httpx.HTTPError as error:
            said = next(text for kind, text in _ERRORS if isinstance(error, kind))
            self._journal.note("post_failed", post=number, **told, error=said or "closed without an answer")
            return None, said
        self._journal.note("post_answered", post=number, **told, status=answer.status_code)
        phrase = answer.reason_phrase or _phrase(answer.status_code)
        return answer, f"Wrong response from the webhook: {answer.status_code} {phrase}"

    def _wait(self, answer: httpx.Response | None, failures: int) -> float:
        if answer is not None:
            with contextlib.suppress(KeyError, ValueError):
                return min(max(float(int(answer.headers["Retry-After"])), 0.0), _LONGEST)
        if failures == 0:
            return 0.0
        if failures - 1 > _DOUBLINGS:
            return self._retry * self._chance.uniform(30, 60)
        return self._retry * float(2 ** (failures - 1))


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return ""
