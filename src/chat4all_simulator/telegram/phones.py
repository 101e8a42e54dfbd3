"""What people do on their phones, and the updates that bots get of it."""

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
    """A phone would not let its owner do this; the text says why."""


class Phones:
    """The phones of everybody, and what is done on them."""

    def __init__(self, world: World, updates: Updates) -> None:
        self._world = world
        self._updates = updates

    def write(self, person: Person, chat: int, text: str, reply_to: int = 0, quote: str = "") -> Message:
        """Write to a bot or in a group; return the Message. Raises PhoneError."""
        self._check_writable(person, chat)
        group = self._world.groups.get(chat)
        api_chat = self._api_chat(person, chat)
        dialog = self._world.dialog(chat if group is None else 0, api_chat.id)
        original = dialog.messages.get(reply_to)
        if reply_to and original is None:
            raise PhoneError(f"There is no message {reply_to} in this chat.")
        message = Message(
            dialog.next_id,
            self._world.now(),
            api_chat,
            person.user,
            reply_to_message=msgspec.structs.replace(original, reply_to_message=None, quote=None) if original else None,
            quote=_quote(original, quote),
            text=text,
            entities=sorted(found.find(text)),
        )
        self._say(chat, message)
        return message

    def edit(self, person: Person, chat: int, message_id: int, text: str) -> Message:
        """Change the text of one's own message; return the Message. Raises PhoneError."""
        self._check_writable(person, chat)
        api_chat = self._api_chat(person, chat)
        message = self._world.dialog(self._side(chat), api_chat.id).messages.get(message_id)
        if message is None or message.from_.id != person.user.id:
            raise PhoneError(f"There is no message {message_id} of {person.user.username} in this chat.")
        new = msgspec.structs.replace(
            message, text=text, entities=sorted(found.find(text)), edit_date=self._world.now()
        )
        self._world.change(events.Edited(self._side(chat), new))
        self._tell(chat, "edited_message", new)
        return new

    def delete(self, person: Person, chat: int, message_id: int) -> None:
        """Delete a message for everyone; bots are not told. Raises PhoneError."""
        self._check_member(person, chat)
        api_chat = self._api_chat(person, chat)
        if message_id not in self._world.dialog(self._side(chat), api_chat.id).messages:
            raise PhoneError(f"There is no message {message_id} in this chat.")
        self._world.change(events.Deleted(self._side(chat), api_chat.id, [message_id]))

    def block(self, person: Person, bot: Bot, *, blocked: bool) -> None:
        """Block the bot, or let it write again; the bot hears of it."""
        if (bot.user.id in person.blocks) == blocked:
            return
        self._world.change(events.Blocked(bot.user.id, person.user.id, blocked))
        if self._world.is_begun(bot.user.id, person.user.id):
            old_status, new_status = ("member", "kicked") if blocked else ("kicked", "member")
            self._move(bot, self._api_chat(person, bot.user.id), person.user, old_status, new_status)

    def found_group(self, person: Person, chat: int, title: str, kind: str) -> None:
        """Make a group with this person as its first member."""
        self._world.change(events.GroupMade(chat, title, kind))
        self._world.change(events.Joined(chat, person.user.id))
        self._service(chat, person.user, group_chat_created=True)

    def join(self, chat: int, user: User, by: User) -> None:
        """Add a user to a group; `by`: who does it, perhaps the user. Raises PhoneError."""
        group = self._world.groups[chat]
        if user.id in group.members:
            return
        if user.id in group.kicked and user.id == by.id:
            raise PhoneError(f"{user.username} was removed from {group.chat.title}; a member has to add them.")
        old_status = "kicked" if user.id in group.kicked and group.chat.type == "supergroup" else "left"
        self._world.change(events.Joined(chat, user.id))
        self._service(chat, by, new_chat_members=[user])
        if user.id in self._world.bots:
            self._move(self._world.bots[user.id], group.chat, by, old_status, "member")

    def leave(self, chat: int, user: User, by: User) -> None:
        """Take a user out of a group; `by`: who does it, perhaps the user. Raises PhoneError."""
        group = self._world.groups[chat]
        if user.id not in group.members:
            return
        if by.id not in group.members:
            raise PhoneError(f"{by.username} is not in {group.chat.title}.")
        kicked = user.id != by.id
        self._service(chat, by, left_chat_member=user)
        self._world.change(events.Left(chat, user.id, kicked))
        if user.id in self._world.bots:
            # The API says of whoever is removed from a basic group that they left.
            new_status = "kicked" if kicked and group.chat.type == "supergroup" else "left"
            self._move(self._world.bots[user.id], group.chat, by, "member", new_status)

    def migrate(self, chat: int, to: int, by: User) -> None:
        """Turn a group into a supergroup under the id `to`. Raises PhoneError."""
        group = self._world.groups[chat]
        if group.migrated_to or group.chat.type != "group":
            raise PhoneError(f"{group.chat.title} is not a basic group any more.")
        self._service(chat, by, migrate_to_chat_id=to)
        self._world.change(events.GroupMade(to, group.chat.title, "supergroup"))
        for member in sorted(group.members):
            self._world.change(events.Joined(to, member))
        self._world.change(events.Migrated(chat, to))
        self._service(to, by, migrate_from_chat_id=chat)

    def chats(self, person: Person) -> Iterator[Chat]:
        """Yield the chats on a person's phone: one of each bot, with the bot's id, and the groups the person is in."""
        for bot in self._world.bots.values():
            yield Chat(bot.user.id, bot.user.first_name, username=bot.user.username, type="private")
        for group in self._world.groups.values():
            if person.user.id in group.members and not group.migrated_to:
                yield group.chat

    def messages(self, person: Person, chat: int) -> list[Message]:
        """Return what a person's phone shows of a chat, oldest first. Raises PhoneError."""
        self._check_member(person, chat)
        return list(self._world.dialog(self._side(chat), self._api_chat(person, chat).id).messages.values())

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
        """Return the bot of a private chat, 0 for a group."""
        return 0 if chat in self._world.groups else chat

    def _api_chat(self, person: Person, chat: int) -> Chat:
        """Return the chat as the Bot API shows it, where a private chat has the person's id."""
        if chat in self._world.groups:
            return self._world.groups[chat].chat
        user = person.user
        return Chat(user.id, user.first_name, user.last_name, user.username, type="private")

    def _say(self, chat: int, message: Message) -> None:
        self._world.change(events.Said(self._side(chat), message))
        self._tell(chat, "message", message)

    def _service(self, chat: int, by: User, **fields: object) -> None:
        """Put a service message into a group: a message without text, with these fields."""
        dialog = self._world.dialog(0, chat)
        api_chat = self._world.groups[chat].chat
        message = msgspec.structs.replace(Message(dialog.next_id, self._world.now(), api_chat, by), **fields)
        self._say(chat, message)

    def _tell(self, chat: int, kind: str, message: Message) -> None:
        if chat not in self._world.groups:
            self._updates.send(self._world.bots[chat], kind, message)
            return
        for bot in self._world.bots_in(chat):
            if not bot.privacy or _is_for(bot, message):
                self._updates.send(bot, kind, message)

    def _move(self, bot: Bot, chat: Chat, by: User, old_status: str, new_status: str) -> None:
        old, new = (Member(bot.user, status, 0 if status == "kicked" else None) for status in (old_status, new_status))
        self._updates.send(bot, "my_chat_member", MemberUpdate(chat, self._world.now(), old, new, by))


def _is_for(bot: Bot, message: Message) -> bool:
    """Return whether a bot in privacy mode hears it in a group: https://core.telegram.org/bots/features#privacy-mode"""
    if not message.text:
        return True
    if message.reply_to_message is not None and message.reply_to_message.from_.id == bot.user.id:
        return True
    command = _COMMAND.match(message.text)
    return command is not None and (command[1] is None or command[1].lower() == bot.user.username.lower())


def _quote(original: Message | None, quote: str) -> Quote | None:
    """Return the quote, None for an empty one. Raises PhoneError if it is not in the original."""
    if not quote:
        return None
    at = original.text.find(quote) if original else -1
    if original is None or at < 0:
        raise PhoneError("The quote is not part of the message that is answered.")
    return Quote(quote, units(original.text[:at]), is_manual=True)
