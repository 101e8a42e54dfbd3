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
    """A bot as it is now; `webhook`: as it was set last, `failure`: the last post to it that failed since."""

    user: User
    privacy: bool
    mailbox: Mailbox
    webhook: events.WebhookSet
    failure: events.WebhookFailed | None = None


@dataclass
class Person:
    """A person with a phone; `gone`: the account is deactivated."""

    user: User
    gone: bool = False
    blocks: set[int] = field(default_factory=set)  # bots


@dataclass
class Group:
    """A group; `members`, `kicked` and `known` (who was ever in it) are user ids, of bots too."""

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
    """The whole state. `max_messages`: so many of each chat are kept; `watchers` are called after each change."""

    def __init__(self, journal: Journal, clock: Clock, max_messages: int, seed: int) -> None:
        self.clock = clock
        self.bots: dict[int, Bot] = {}
        self.people: dict[int, Person] = {}
        self.groups: dict[int, Group] = {}
        self.watchers: list[Callable[[events.Change], None]] = []
        self._dialogs: dict[tuple[int, int], Dialog] = {}
        self._names: dict[str, int] = {}  # a user's id by user name in lower case
        self._journal = journal
        self._max_messages = max_messages
        self._seed = seed

    def change(self, change: events.Change) -> None:
        """Note a change in the log, apply it, and call the watchers."""
        self._journal.note(change.__struct_config__.tag, **msgspec.structs.asdict(change))  # type: ignore[arg-type]
        self._apply(change)
        for watcher in self.watchers:
            watcher(change)

    def replay(self, entry: Entry) -> None:
        """Apply the change that an entry of the log tells of, if any."""
        change = events.read(entry)
        if change is not None:
            self._apply(change)

    def dialog(self, bot: int, chat: int) -> Dialog:
        """Return the messages between a bot and a chat; all bots of a group share those. It is empty at first."""
        key = (0 if chat in self.groups else bot, chat)
        dialog = self._dialogs.get(key)
        if dialog is None:
            dialog = self._dialogs[key] = Dialog()
        return dialog

    def is_begun(self, bot: int, person: int) -> bool:
        """Return whether the person has written to the bot, so that it may write back."""
        dialog = self._dialogs.get((bot, person))
        return dialog is not None and dialog.next_id > 1

    def user(self, name: str) -> User | None:
        """Return the person or the bot of that user name, in any case; None if there is none."""
        user_id = self._names.get(name.lower())
        return None if user_id is None else self.by_id(user_id)

    def by_id(self, user_id: int) -> User:
        """Return a person or a bot by id. Raises KeyError if there is none."""
        return self.people[user_id].user if user_id in self.people else self.bots[user_id].user

    def free_id(self) -> int:
        """Return an id for a new person or bot."""
        taken = self.people.keys() | self.bots.keys()
        return next(one for one in itertools.count(7_000_000_001) if one not in taken)  # above 2^32, as real ones are

    def bots_in(self, chat: int) -> Iterator[Bot]:
        """Yield the bots that are members of a group."""
        yield from (bot for bot in self.bots.values() if bot.user.id in self.groups[chat].members)

    def expire(self, bot: Bot) -> None:
        """Remove the updates of a bot that are too old."""
        for update_id in bot.mailbox.expired(self.clock.now()):
            self.change(events.Delivered(bot.user.id, update_id, reason="too old"))

    def now(self) -> int:
        """Return the time as the Bot API gives it, in whole seconds since 1970."""
        return int(self.clock.now())

    @singledispatchmethod
    def _apply(self, change: events.Change) -> None:
        raise NotImplementedError(change)

    @_apply.register
    def _bot(self, change: events.BotMade) -> None:
        user, old = change.user, self.bots.get(change.user.id)
        if old is not None:
            self._names.pop(old.user.username.lower(), None)
            # In place, because the task that posts for it holds this object.
            old.user, old.privacy = user, change.privacy
        else:
            first_update_id = random.Random(f"{self._seed}/{user.id}").randrange(100_000_000, 900_000_000)  # noqa: S311
            self.bots[user.id] = Bot(user, change.privacy, Mailbox(first_update_id), events.WebhookSet(user.id, ""))
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
        if len(dialog.messages) > self._max_messages:
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
        """Change nothing: that a bot does something is shown to phones, and not kept."""

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
