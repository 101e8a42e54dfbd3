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
DEFAULT_KINDS: Final = frozenset(KINDS) - {"chat_member", "message_reaction", "message_reaction_count"}


class Mailbox:
    """The updates that wait for a bot. `first_id`: the first update's; ids then count up."""

    def __init__(self, first_id: int) -> None:
        self.next_id = first_id
        self.allowed = DEFAULT_KINDS
        self._updates: dict[int, Queued] = {}  # by id, ascending
        self._queues: dict[str, dict[int, Queued]] = {}  # the same by queue
        self._copies: list[Queued] = []  # confirmed, and yet they come once more
        self._forged_posts: dict[int, int] = {}  # how often each is still to be posted with a wrong secret
        self._last_handed_ids: dict[str, int] = {}  # by queue: the last id that the bot was given
        self._change_events: set[asyncio.Event] = set()

    def __len__(self) -> int:
        return len(self._updates) + len(self._copies)

    def put(self, update: Queued) -> None:
        """Add an update, newer than all before it."""
        self._updates[update.update_id] = update
        self._queues.setdefault(update.queue, {})[update.update_id] = update
        self.next_id = update.update_id + 1
        if update.forged:
            self._forged_posts[update.update_id] = update.forged
        self._tell()

    def allow(self, kinds: list[str] | None) -> None:
        """Set the kinds of updates that the bot wants from now on; None: the default."""
        self.allowed = DEFAULT_KINDS if kinds is None else frozenset(kinds)

    def confirm(self, below: int) -> None:
        """Remove the updates below this id, which a polling bot has had; copies of them may still come."""
        for update_id in list(itertools.takewhile(lambda one: one < below, self._updates)):
            update = self._take(update_id)
            self._copies += [update] * update.copies

    def remove(self, update_id: int) -> None:
        """Remove an update and its copies: it was posted to the bot's webhook, or is thrown away."""
        self._copies = [one for one in self._copies if one.update_id != update_id]
        if update_id in self._updates:
            self._take(update_id)
            self._tell()

    def repeated(self, update_ids: list[int]) -> None:
        """Remove one copy of each of these, which a polling bot was given."""
        for update_id in update_ids:
            at = next((i for i, one in enumerate(self._copies) if one.update_id == update_id), None)
            if at is not None:
                del self._copies[at]

    def expired(self, now: float) -> list[int]:
        """Return the ids of the updates too old at `now`. The oldest go first: nearly all are kept equally long."""
        return [one.update_id for one in itertools.takewhile(lambda one: one.until < now, self._updates.values())]

    def ids(self) -> list[int]:
        """Return the ids of all that wait, copies too."""
        return [*self._updates, *(one.update_id for one in self._copies)]

    def first(self) -> int | None:
        """Return the id of the oldest that was not confirmed; None if there is none."""
        return next(iter(self._updates), None)

    def copies(self, limit: int) -> list[int]:
        """Return the ids of the copies that a poll of `limit` updates gets before all else."""
        return [one.update_id for one in self._copies[:limit]]

    def is_waiting(self, update_id: int) -> bool:
        """Return whether the bot has still to be given this update."""
        return update_id in self._updates

    def answer(self, start: int, limit: int, seed: int) -> list[msgspec.Raw]:
        """Return what a poll gets: copies, then what waits from `start` on; what may change places is shuffled."""
        copies = self._copies[:limit]
        waiting = itertools.dropwhile(lambda one: one.update_id < start, self._updates.values())
        fresh = list(itertools.islice(waiting, limit - len(copies)))
        for update in (*copies, *fresh):
            self.note_handed(update)
        return [one.update for one in (*copies, *_shuffled(fresh, seed))]

    def has(self, start: int) -> bool:
        """Return whether a poll from this id on gets anything."""
        return bool(self._copies) or (bool(self._updates) and next(reversed(self._updates)) >= start)

    def last(self, count: int) -> int:
        """Return the id from which on there are `count` updates, or fewer if fewer wait."""
        return next(iter(list(self._updates)[-count:]), self.next_id)

    def queues(self) -> list[str]:
        """Return the names of the queues in which something waits."""
        return list(self._queues)

    def head(self, queue: str, seed: int) -> Queued | None:
        """Return the update of a queue that is to be posted next; None if it is empty."""
        waiting = self._queues.get(queue, {}).values()
        movable = list(itertools.takewhile(lambda one: one.reordered, waiting))
        return min(movable, key=lambda one: _rank(seed, one.update_id)) if movable else next(iter(waiting), None)

    def note_handed(self, update: Queued) -> None:
        """Note that the bot was given this update."""
        self._last_handed_ids[update.queue] = max(update.update_id, self._last_handed_ids.get(update.queue, 0))
        self._tell()

    def is_forged(self, update_id: int) -> bool:
        """Return whether an update is to be posted with a wrong secret this time."""
        return self._forged_posts.get(update_id, 0) > 0

    def forged(self, update_id: int) -> None:
        """Note that an update was posted with a wrong secret, and was answered."""
        self._forged_posts[update_id] -= 1

    async def changed(self) -> None:
        """Return after the next change of the mailbox."""
        event = asyncio.Event()
        self._change_events.add(event)
        try:
            await event.wait()
        finally:
            self._change_events.discard(event)

    async def overtaken(self, queue: str, after: int) -> None:
        """Return when the bot has been given something of this queue from the id `after` on."""
        while self._last_handed_ids.get(queue, 0) < after:
            await self.changed()

    def _take(self, update_id: int) -> Queued:
        update = self._updates.pop(update_id)
        self._forged_posts.pop(update_id, None)
        queue = self._queues[update.queue]
        del queue[update_id]
        if not queue:
            del self._queues[update.queue]
        return update

    def _tell(self) -> None:
        for event in self._change_events:
            event.set()


def _shuffled(updates: list[Queued], seed: int) -> list[Queued]:
    """Let those that may change places do so among themselves, under one seed always alike."""
    places = [i for i, one in enumerate(updates) if one.reordered]
    ranked = sorted(places, key=lambda i: _rank(seed, updates[i].update_id))
    moved = dict(zip(places, ranked, strict=True))
    return [updates[moved.get(i, i)] for i in range(len(updates))]


def _rank(seed: int, update_id: int) -> float:
    return random.Random(f"{seed}/{update_id}").random()  # noqa: S311 - it has to be repeatable
