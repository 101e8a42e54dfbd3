"""getUpdates: long polls, one at a time for a bot.

https://core.telegram.org/bots/api#getupdates, and process_get_updates_query of
https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from chat4all_simulator.faults.script import Script
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.mailbox import DEFAULT_KINDS, KINDS
from chat4all_simulator.telegram.parameters import Parameters
from chat4all_simulator.telegram.refusals import RefusedError, conflict
from chat4all_simulator.telegram.world import Bot, World

# Repeated polls from one offset wait so long at least, and repeated conflicts are answered so late.
_PATIENCE_SECONDS: Final = 3.0
_HASTE_SECONDS: Final = 0.5  # a bot that asks again sooner from one offset gets one update at a time
_MAX_POLL_SECONDS: Final = 50
_MAX_OFFSET_AHEAD: Final = 11  # an offset farther ahead of the last update is taken for a mistake

_WEBHOOK_REASON: Final = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_OTHER_POLL_REASON: Final = "terminated by other getUpdates request; make sure that only one bot instance is running"


@dataclass
class _Poller:
    """A bot's polls: `ended` is set with the reason when the one that waits has to end."""

    ended: asyncio.Future[str] | None = None
    offset: int | None = None
    began: float = 0.0
    refused: float = 0.0  # when a conflict was answered last


class Polling:
    """The polls of all bots. `script`: its seed says in what order those come that may change places."""

    def __init__(self, world: World, script: Script) -> None:
        self._world = world
        self._script = script
        self._pollers: dict[int, _Poller] = {}

    async def updates(self, bot: Bot, parameters: Parameters) -> list[msgspec.Raw]:
        """Return what waits for the bot; wait for something if nothing does. Raises RefusedError."""
        poller = self._pollers.setdefault(bot.user.id, _Poller())
        if bot.webhook.url:
            raise await self._conflict(poller, _WEBHOOK_REASON)
        self.allow(bot, parameters)
        offset, limit = parameters.integer("offset"), min(max(parameters.integer("limit", 100), 1), 100)
        timeout = float(min(max(parameters.integer("timeout"), 0), _MAX_POLL_SECONDS))
        now = time.monotonic()
        if poller.offset == offset and now - poller.began < _PATIENCE_SECONDS:
            timeout, limit = max(timeout, _PATIENCE_SECONDS), 1 if now - poller.began < _HASTE_SECONDS else limit
        poller.offset, poller.began = offset, now
        start = self._confirm(bot, offset)
        if not bot.mailbox.has(start) and timeout:
            self.end(bot, _OTHER_POLL_REASON)
            await self._wait(poller, bot, start, timeout)
        answer = bot.mailbox.answer(start, limit, self._script.seed)
        if copies := bot.mailbox.copies(limit):
            self._world.change(events.Repeated(bot.user.id, copies))
        return answer

    def end(self, bot: Bot, reason: str) -> None:
        """Refuse the poll that waits for this bot, if there is one."""
        poller = self._pollers.get(bot.user.id)
        if poller is not None and poller.ended is not None and not poller.ended.done():
            poller.ended.set_result(reason)

    def allow(self, bot: Bot, parameters: Parameters) -> None:
        """Take over `allowed_updates`; what is no list of texts changes nothing."""
        source = parameters.text("allowed_updates")
        with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            if source:
                names = {name.lower() for name in msgspec.json.decode(source, type=list[str])}
                kinds: list[str] = [kind for kind in KINDS if kind in names]
                if bot.mailbox.allowed != (frozenset(kinds) if kinds else DEFAULT_KINDS):
                    self._world.change(events.AllowedSet(bot.user.id, kinds or None))

    def _confirm(self, bot: Bot, offset: int) -> int:
        """Confirm what is below the offset, which the bot has had; return the id to go on from."""
        mailbox = bot.mailbox
        self._world.expire(bot)
        if offset < 0:
            start = mailbox.last(-offset)
        elif offset == 0 or offset > mailbox.next_id - 1 + _MAX_OFFSET_AHEAD:
            return 0
        else:
            start = offset
        first = mailbox.first()
        if first is not None and first < start:
            self._world.change(events.Confirmed(bot.user.id, start))
        return start

    async def _wait(self, poller: _Poller, bot: Bot, start: int, timeout: float) -> None:
        """Wait until there is something or the time is over. Raises RefusedError if another poll took its place."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        poller.ended = ended
        something = asyncio.ensure_future(_something(bot, start))
        try:
            futures: set[asyncio.Future[Any]] = {ended, something}
            await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            something.cancel()
            if poller.ended is ended:
                poller.ended = None
        if ended.done():
            raise await self._conflict(poller, ended.result())

    @staticmethod
    async def _conflict(poller: _Poller, reason: str) -> RefusedError:
        """Return the refusal, late if another came just before, so that pollers that fight do not flood the server."""
        now = time.monotonic()
        if now - poller.refused < _PATIENCE_SECONDS:
            await asyncio.sleep(_PATIENCE_SECONDS)
        else:
            poller.refused = now
        return conflict(reason)


async def _something(bot: Bot, start: int) -> None:
    while not bot.mailbox.has(start):
        await bot.mailbox.changed()
