"""What people do on their phones, and what the bots hear of it."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.objects import Chat, Member, MemberUpdate, Message, Quote, User
from chat4all_simulator.telegram.text import found
from chat4all_simulator.telegram.text.marked import units
from chat4all_simulator.telegram.updates import Updates
from chat4all_simulator.telegram.world import Bot, Person, World

_COMMAND: Final = re.compile(r"/\w+(?:@(\w+))?")


class PhoneError(Exception):
    """What a phone would not let its owner do; the text says why."""


class Phones:
    """The phones of everybody."""

    def __init__(self, world: World, updates: Updates) -> None:
        self._world = world
        self._updates = updates

    def write(self, person: Person, chat: int, text: str, reply_to: int = 0, quote: str = "") -> Message:
        """Say something to a bot or in a group. Raises PhoneError."""
        self._check_writable(person, chat)
        group = self._world.groups.get(chat)
        of = self._of(person, chat)
        dialog = self._world.dialog(chat if group is None else 0, of.id)
        answered = dialog.messages.get(reply_to)
        if reply_to and answered is None:
            raise PhoneError(f"There is no message {reply_to} in this chat.")
        said = Message(
            dialog.next_id,
            self._world.now(),
            of,
            person.user,
            reply_to_message=msgspec.structs.replace(answered, reply_to_message=None, quote=None) if answered else None,
            quote=_quote(answered, quote),
            text=text,
            entities=sorted(found.find(text)),
        )
        self._say(chat, said)
        return said

    def edit(self, person: Person, chat: int, message_id: int, text: str) -> Message:
        """Say it otherwise. Raises PhoneError."""
        self._check_writable(person, chat)
        of = self._of(person, chat)
        message = self._world.dialog(self._side(chat), of.id).messages.get(message_id)
        if message is None or message.from_.id != person.user.id:
            raise PhoneError(f"There is no message {message_id} of {person.user.username} in this chat.")
        edited = msgspec.structs.replace(
            message, text=text, entities=sorted(found.find(text)), edit_date=self._world.now()
        )
        self._world.change(events.Edited(self._side(chat), edited))
        self._tell(chat, "edited_message", edited)
        return edited

    def delete(self, person: Person, chat: int, message_id: int) -> None:
        """Take a message away for everyone; bots are not told. Raises PhoneError."""
        self._check_member(person, chat)
        of = self._of(person, chat)
        if message_id not in self._world.dialog(self._side(chat), of.id).messages:
            raise PhoneError(f"There is no message {message_id} in this chat.")
        self._world.change(events.Deleted(self._side(chat), of.id, [message_id]))

    def block(self, person: Person, bot: Bot, *, blocked: bool) -> None:
        """Block the bot, or let it write again; the bot hears of it."""
        if (bot.user.id in person.blocks) == blocked:
            return
        self._world.change(events.Blocked(bot.user.id, person.user.id, blocked))
        if self._world.is_begun(bot.user.id, person.user.id):
            was, becomes = ("member", "kicked") if blocked else ("kicked", "member")
            self._move(bot, self._of(person, bot.user.id), person.user, was, becomes)

    def found_group(self, person: Person, chat: int, title: str, kind: str) -> None:
        """Make a group and be in it."""
        self._world.change(events.GroupMade(chat, title, kind))
        self._world.change(events.Joined(chat, person.user.id))
        self._service(chat, person.user, group_chat_created=True)

    def join(self, chat: int, user: User, by: User) -> None:
        """Come into a group, or be brought by a member. Raises PhoneError."""
        group = self._world.groups[chat]
        if user.id in group.members:
            return
        if user.id in group.kicked and user.id == by.id:
            raise PhoneError(f"{user.username} was removed from {group.chat.title}; a member has to add him.")
        was = "kicked" if user.id in group.kicked and group.chat.type == "supergroup" else "left"
        self._world.change(events.Joined(chat, user.id))
        self._service(chat, by, new_chat_members=[user])
        if user.id in self._world.bots:
            self._move(self._world.bots[user.id], group.chat, by, was, "member")

    def leave(self, chat: int, user: User, by: User) -> None:
        """Go out of a group, or be removed by another member. Raises PhoneError."""
        group = self._world.groups[chat]
        if user.id not in group.members:
            return
        if by.id not in group.members:
            raise PhoneError(f"{by.username} is not in {group.chat.title}.")
        kicked = user.id != by.id
        self._service(chat, by, left_chat_member=user)
        self._world.change(events.Left(chat, user.id, kicked))
        if user.id in self._world.bots:
            # Who is removed from a basic group has left it, as the API tells it.
            becomes = "kicked" if kicked and group.chat.type == "supergroup" else "left"
            self._move(self._world.bots[user.id], group.chat, by, "member", becomes)

    def migrate(self, chat: int, to: int, by: User) -> None:
        """Make a supergroup of a group. Raises PhoneError."""
        group = self._world.groups[chat]
        if group.migrated_to or group.chat.type != "group":
            raise PhoneError(f"{group.chat.title} is no basic group any more.")
        self._service(chat, by, migrate_to_chat_id=to)
        self._world.change(events.GroupMade(to, group.chat.title, "supergroup"))
        for member in sorted(group.members):
            self._world.change(events.Joined(to, member))
        self._world.change(events.Migrated(chat, to))
        self._service(to, by, migrate_from_chat_id=chat)

    def chats(self, person: Person) -> Iterator[Chat]:
        """Those on his phone: of the bots he knows, and the groups he is in. A bot's chat has the bot's id here."""
        for bot in self._world.bots.values():
            yield Chat(bot.user.id, bot.user.first_name, username=bot.user.username, type="private")
        for group in self._world.groups.values():
            if person.user.id in group.members and not group.migrated_to:
                yield group.chat

    def messages(self, person: Person, chat: int) -> list[Message]:
        """What his phone shows of a chat, oldest first. Raises PhoneError."""
        self._check_member(person, chat)
        return list(self._world.dialog(self._side(chat), self._of(person, chat).id).messages.values())

    def _check_writable(self, person: Person, chat: int) -> None:
        name = person.user.username
        if person.gone:
            raise PhoneError(f"The account of {name} is deactivated.")
        if chat in person.blocks:
            raise PhoneError(f"{name} has blocked this bot; unblock it first.")
        self._check_member(person, chat)
        group = self._world.groups.get(chat)
        if group is not None and group.migrated_to:
            raise PhoneError(f"{group.chat.title} has become the supergroup {group.migrated_to}.")

    def _check_member(self, person: Person, chat: int) -> None:
        group = self._world.groups.get(chat)
        if group is not None and person.user.id not in group.members:
            raise PhoneError(f"{person.user.username} is not in {group.chat.title}.")

    def _side(self, chat: int) -> int:
        """The bot of a private chat; nought for a group."""
        return 0 if chat in self._world.groups else chat

    def _of(self, person: Person, chat: int) -> Chat:
        """The chat as its bot sees it."""
        if chat in self._world.groups:
            return self._world.groups[chat].chat
        user = person.user
        return Chat(user.id, user.first_name, user.last_name, user.username, type="private")

    def _say(self, chat: int, message: Message) -> None:
        self._world.change(events.Said(self._side(chat), message))
        self._tell(chat, "message", message)

    def _service(self, chat: int, by: User, **told: object) -> None:
        """What a group says of itself."""
        dialog = self._world.dialog(0, chat)
        of = self._world.groups[chat].chat
        said = msgspec.structs.replace(Message(dialog.next_id, self._world.now(), of, by), **told)
        self._say(chat, said)

    def _tell(self, chat: int, kind: str, message: Message) -> None:
        if chat not in self._world.groups:
            self._updates.send(self._world.bots[chat], kind, message)
            return
        for bot in self._world.bots_in(chat):
            if not bot.privacy or _is_for(bot, message):
                self._updates.send(bot, kind, message)

    def _move(self, bot: Bot, chat: Chat, by: User, was: str, becomes: str) -> None:
        old, new = (Member(bot.user, status, 0 if status == "kicked" else None) for status in (was, becomes))
        self._updates.send(bot, "my_chat_member", MemberUpdate(chat, self._world.now(), old, new, by))


def _is_for(bot: Bot, message: Message) -> bool:
    """What a bot in privacy mode hears in a group: https://core.telegram.org/bots/features#privacy-mode"""
    if not message.text:
        return True
    if message.reply_to_message is not None and message.reply_to_message.from_.id == bot.user.id:
        return True
    command = _COMMAND.match(message.text)
    return command is not None and (command[1] is None or command[1].lower() == bot.user.username.lower())


def _quote(answered: Message | None, quote: str) -> Quote | None:
    """Raises PhoneError."""
    if not quote:
        return None
    at = answered.text.find(quote) if answered else -1
    if answered is None or at < 0:
        raise PhoneError("That is no part of the message that is answered.")
    return Quote(quote, units(answered.text[:at]), is_manual=True)
