"""A bot's updates, from when they are made until it has had them."""

import asyncio
import itertools
import random
from typing import Final

import msgspec

from chat4all_simulator.telegram.events import Queued

# The kinds in the order in which the Bot API lists them.
KINDS: Final = (
    "message", "edited_message", "channel_post", "edited_channel_post", "inline_query", "chosen_inline_result",
    "callback_query", "shipping_query", "pre_checkout_query", "poll", "poll_answer", "my_chat_member", "chat_member",
    "chat_join_request", "chat_boost", "removed_chat_boost", "message_reaction", "message_reaction_count",
    "business_connection", "business_message", "edited_business_message", "deleted_business_messages",
)  # fmt: skip
DEFAULT: Final = frozenset(KINDS) - {"chat_member", "message_reaction", "message_reaction_count"}


class Mailbox:
    """`first_id`: the first update's; ids then count up."""

    def __init__(self, first_id: int) -> None:
        self.next_id = first_id
        self.allowed = DEFAULT
        self._updates: dict[int, Queued] = {}  # by id, ascending
        self._queues: dict[str, dict[int, Queued]] = {}  # the same by queue
        self._again: list[Queued] = []  # confirmed, and yet they come once more
        self._forged: dict[int, int] = {}  # how often each is still to be posted with a wrong secret
        self._handed: dict[str, int] = {}  # the last id of each queue that the bot was given
        self._changed: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return len(self._updates) + len(self._again)

    def put(self, update: Queued) -> None:
        """One more."""
        self._updates[update.update_id] = update
        self._queues.setdefault(update.queue, {})[update.update_id] = update
        self.next_id = update.update_id + 1
        if update.forged:
            self._forged[update.update_id] = update.forged
        self._tell()

    def allow(self, kinds: list[str] | None) -> None:
        """What the bot wants from now on; None: the default."""
        self.allowed = DEFAULT if kinds is None else frozenset(kinds)

    def confirm(self, below: int) -> None:
        """Polling: the bot has had those below."""
        for update_id in list(itertools.takewhile(lambda one: one < below, self._updates)):
            update = self._take(update_id)
            self._again += [update] * update.copies

    def remove(self, update_id: int) -> None:
        """Webhook: the bot has had this one; or it is thrown away, its copies too."""
        self._again = [one for one in self._again if one.update_id != update_id]
        if update_id in self._updates:
            self._take(update_id)
            self._tell()

    def repeated(self, update_ids: list[int]) -> None:
        """Polling: the bot was given a copy of each of these."""
        for update_id in update_ids:
            at = next((i for i, one in enumerate(self._again) if one.update_id == update_id), None)
            if at is not None:
                del self._again[at]

    def expired(self, now: float) -> list[int]:
        """Those that are too old. Nearly all are kept equally long, so that the oldest is the first to go."""
        return [one.update_id for one in itertools.takewhile(lambda one: one.until < now, self._updates.values())]

    def ids(self) -> list[int]:
        """Of all that wait, copies too."""
        return [*self._updates, *(one.update_id for one in self._again)]

    def first(self) -> int | None:
        """The oldest that was not confirmed."""
        return next(iter(self._updates), None)

    def copies(self, limit: int) -> list[int]:
        """The ids of the copies that a poll gets before all else."""
        return [one.update_id for one in self._again[:limit]]

    def is_waiting(self, update_id: int) -> bool:
        """Whether the bot has still to be given it."""
        return update_id in self._updates

    def answer(self, start: int, limit: int, seed: int) -> list[msgspec.Raw]:
        """What a poll gets: copies, then what waits from this id on; what may change places does so in one answer."""
        again = self._again[:limit]
        waiting = itertools.dropwhile(lambda one: one.update_id < start, self._updates.values())
        fresh = list(itertools.islice(waiting, limit - len(again)))
        for update in (*again, *fresh):
            self.note_handed(update)
        return [one.update for one in (*again, *_shuffled(fresh, seed))]

    def has(self, start: int) -> bool:
        """Whether a poll from this id on gets anything."""
        return bool(self._again) or (bool(self._updates) and next(reversed(self._updates)) >= start)

    def last(self, count: int) -> int:
        """The id from which on there are so many."""
        return next(iter(list(self._updates)[-count:]), self.next_id)

    def queues(self) -> list[str]:
        """Those with something in them."""
        return list(self._queues)

    def head(self, queue: str, seed: int) -> Queued | None:
        """What is to be posted next of a queue."""
        waiting = self._queues.get(queue, {}).values()
        movable = list(itertools.takewhile(lambda one: one.reordered, waiting))
        return min(movable, key=lambda one: _rank(seed, one.update_id)) if movable else next(iter(waiting), None)

    def note_handed(self, update: Queued) -> None:
        """The bot was given it."""
        self._handed[update.queue] = max(update.update_id, self._handed.get(update.queue, 0))
        self._tell()

    def is_forged(self, update_id: int) -> bool:
        """Whether it is to be posted with a wrong secret this time."""
        return self._forged.get(update_id, 0) > 0

    def forged(self, update_id: int) -> None:
        """It was, and was answered."""
        self._forged[update_id] -= 1

    async def changed(self) -> None:
        """Returns after the next change."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            await event.wait()
        finally:
            self._changed.discard(event)

    async def overtaken(self, queue: str, after: int) -> None:
        """Returns when the bot has been given something of this queue from that id on."""
        while self._handed.get(queue, 0) < after:
            await self.changed()

    def _take(self, update_id: int) -> Queued:
        update = self._updates.pop(update_id)
        self._forged.pop(update_id, None)
        queue = self._queues[update.queue]
        del queue[update_id]
        if not queue:
            del self._queues[update.queue]
        return update

    def _tell(self) -> None:
        for event in self._changed:
            event.set()


def _shuffled(updates: list[Queued], seed: int) -> list[Queued]:
    """Those that may change places do so among themselves, under one seed always alike."""
    places = [i for i, one in enumerate(updates) if one.reordered]
    ranked = sorted(places, key=lambda i: _rank(seed, updates[i].update_id))
    moved = dict(zip(places, ranked, strict=True))
    return [updates[moved.get(i, i)] for i in range(len(updates))]


def _rank(seed: int, update_id: int) -> float:
    return random.Random(f"{seed}/{update_id}").random()  # noqa: S311 - it has to be repeatable
