"""Telegram as the simulator knows it: bots, people, groups and what they have said. Only `change` changes it."""

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import singledispatchmethod

import msgspec

from chat4all_simulator.clock import Clock
from chat4all_simulator.journal import Entry, Journal
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.mailbox import Mailbox
from chat4all_simulator.telegram.objects import Chat, Message, User


@dataclass
class Bot:
    """`allowed`: the kinds of updates it asked for, as it was told last."""

    user: User
    privacy: bool
    mailbox: Mailbox
    webhook: events.WebhookSet
    failure: events.WebhookFailed | None = None


@dataclass
class Person:
    """Somebody with a phone."""

    user: User
    gone: bool = False
    blocks: set[int] = field(default_factory=set)  # bots


@dataclass
class Group:
    """`members`, `kicked`, `known` (who was ever in it): user ids, of bots too."""

    chat: Chat
    members: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    kicked: set[int] = field(default_factory=set)
    migrated_to: int = 0


@dataclass
class Dialog:
    """The messages of one chat, oldest first."""

    messages: dict[int, Message] = field(default_factory=dict)
    next_id: int = 1


class World:
    """`kept`: messages of a chat. `watch` tells of each change after it was made."""

    def __init__(self, journal: Journal, clock: Clock, kept: int, seed: int) -> None:
        self.clock = clock
        self.bots: dict[int, Bot] = {}
        self.people: dict[int, Person] = {}
        self.groups: dict[int, Group] = {}
        self.watchers: list[Callable[[events.Change], None]] = []
        self._dialogs: dict[tuple[int, int], Dialog] = {}
        self._names: dict[str, int] = {}  # a user's id by his name in lower case
        self._journal = journal
        self._kept = kept
        self._seed = seed

    def change(self, change: events.Change) -> None:
        """Note it, and let it be so."""
        self._journal.note(change.__struct_config__.tag, **msgspec.structs.asdict(change))  # type: ignore[arg-type]
        self._apply(change)
        for watcher in self.watchers:
            watcher(change)

    def replay(self, entry: Entry) -> None:
        """What an entry of the log tells of is so again."""
        change = events.read(entry)
        if change is not None:
            self._apply(change)

    def dialog(self, bot: int, chat: int) -> Dialog:
        """The messages between a bot and a chat; those of a group are all its bots'. None yet: an empty one."""
        key = (0 if chat in self.groups else bot, chat)
        dialog = self._dialogs.get(key)
        if dialog is None:
            dialog = self._dialogs[key] = Dialog()
        return dialog

    def is_begun(self, bot: int, person: int) -> bool:
        """Whether the person has written to the bot, so that it may write to him."""
        dialog = self._dialogs.get((bot, person))
        return dialog is not None and dialog.next_id > 1

    def user(self, name: str) -> User | None:
        """The person or the bot of that name."""
        found = self._names.get(name.lower())
        return None if found is None else self.by_id(found)

    def by_id(self, user_id: int) -> User:
        """Raises KeyError."""
        return self.people[user_id].user if user_id in self.people else self.bots[user_id].user

    def free_id(self) -> int:
        """For someone new, of people and bots."""
        taken = self.people.keys() | self.bots.keys()
        return next(one for one in itertools.count(7_000_000_001) if one not in taken)  # above 2^32, as real ones are

    def bots_in(self, chat: int) -> Iterator[Bot]:
        """The bots of a group."""
        yield from (bot for bot in self.bots.values() if bot.user.id in self.groups[chat].members)

    def expire(self, bot: Bot) -> None:
        """Let go of the updates that are too old."""
        for update_id in bot.mailbox.expired(self.clock.now()):
            self.change(events.Delivered(bot.user.id, update_id, reason="too old"))

    def now(self) -> int:
        """As the Bot API gives times."""
        return int(self.clock.now())

    @singledispatchmethod
    def _apply(self, change: events.Change) -> None:
        raise NotImplementedError(change)

    @_apply.register
    def _bot(self, change: events.BotMade) -> None:
        user, old = change.user, self.bots.get(change.user.id)
        if old is not None:
            self._names.pop(old.user.username.lower(), None)
            old.user, old.privacy = user, change.privacy  # in place: what posts for it goes on
        else:
            first = random.Random(f"{self._seed}/{user.id}").randrange(100_000_000, 900_000_000)  # noqa: S311
            self.bots[user.id] = Bot(user, change.privacy, Mailbox(first), events.WebhookSet(user.id, ""))
        self._names[user.username.lower()] = user.id

    @_apply.register
    def _person(self, change: events.PersonMade) -> None:
        old = self.people.get(change.user.id)
        if old is not None:
            self._names.pop(old.user.username.lower(), None)
        self.people[change.user.id] = replace(old, user=change.user) if old else Person(change.user)
        self._names[change.user.username.lower()] = change.user.id

    @_apply.register
    def _deactivated(self, change: events.Deactivated) -> None:
        self.people[change.person].gone = change.gone

    @_apply.register
    def _blocked(self, change: events.Blocked) -> None:
        blocks = self.people[change.person].blocks
        (blocks.add if change.blocked else blocks.discard)(change.bot)

    @_apply.register
    def _group(self, change: events.GroupMade) -> None:
        self.groups[change.chat] = Group(Chat(change.chat, title=change.title, type=change.type))

    @_apply.register
    def _joined(self, change: events.Joined) -> None:
        self.groups[change.chat].members.add(change.user)
        self.groups[change.chat].known.add(change.user)
        self.groups[change.chat].kicked.discard(change.user)

    @_apply.register
    def _left(self, change: events.Left) -> None:
        self.groups[change.chat].members.discard(change.user)
        if change.kicked:
            self.groups[change.chat].kicked.add(change.user)

    @_apply.register
    def _migrated(self, change: events.Migrated) -> None:
        self.groups[change.chat].migrated_to = change.to

    @_apply.register
    def _said(self, change: events.Said) -> None:
        dialog, message = self.dialog(change.bot, change.message.chat.id), change.message
        dialog.messages[message.message_id] = message
        dialog.next_id = message.message_id + 1
        if len(dialog.messages) > self._kept:
            del dialog.messages[next(iter(dialog.messages))]

    @_apply.register
    def _edited(self, change: events.Edited) -> None:
        self.dialog(change.bot, change.message.chat.id).messages[change.message.message_id] = change.message

    @_apply.register
    def _deleted(self, change: events.Deleted) -> None:
        for message_id in change.message_ids:
            self.dialog(change.bot, change.chat).messages.pop(message_id, None)

    @_apply.register
    def _acted(self, change: events.Acted) -> None:
        """Nothing stays of it."""

    @_apply.register
    def _queued(self, change: events.Queued) -> None:
        self.bots[change.bot].mailbox.put(change)

    @_apply.register
    def _repeated(self, change: events.Repeated) -> None:
        self.bots[change.bot].mailbox.repeated(change.update_ids)

    @_apply.register
    def _forged(self, change: events.Forged) -> None:
        self.bots[change.bot].mailbox.forged(change.update_id)

    @_apply.register
    def _confirmed(self, change: events.Confirmed) -> None:
        self.bots[change.bot].mailbox.confirm(change.below)

    @_apply.register
    def _delivered(self, change: events.Delivered) -> None:
        self.bots[change.bot].mailbox.remove(change.update_id)

    @_apply.register
    def _webhook(self, change: events.WebhookSet) -> None:
        self.bots[change.bot].webhook = change
        self.bots[change.bot].failure = None

    @_apply.register
    def _webhook_failed(self, change: events.WebhookFailed) -> None:
        self.bots[change.bot].failure = change

    @_apply.register
    def _allowed(self, change: events.AllowedSet) -> None:
        self.bots[change.bot].mailbox.allow(change.kinds)
