"""Finds the chat that a call is for, checks that the bot may write there, and answers what is about chats."""

import re
from typing import Any, Final

from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.methods.call import Call
from chat4all_simulator.telegram.objects import Chat
from chat4all_simulator.telegram.refusals import RefusedError, bad, forbidden
from chat4all_simulator.telegram.world import Group

_ACTIONS: Final = {
    "cancel", "typing", "record_video", "upload_video", "record_audio", "record_voice", "upload_audio", "upload_voice",
    "upload_photo", "upload_document", "choose_sticker", "pick_up_location", "find_location", "record_video_note",
    "upload_video_note",
}  # fmt: skip
_CHAT_ID: Final = re.compile(r"-?\d{1,18}")


def number(call: Call) -> int | None:
    """Return the chat's id as the call has it, whether that chat exists or not; None if it names none."""
    digits = _CHAT_ID.match(call.parameters.fields.get("chat_id", ""))
    return int(digits[0]) if digits else None


def found(call: Call, *, missing: str = "chat_id is empty") -> Chat:
    """Return the chat of a person the bot has heard of, or of a group it was in. Raises RefusedError."""
    chat_id = call.parameters.text("chat_id")
    if not chat_id:
        raise bad(missing)
    return named(call, chat_id)


def named(call: Call, chat_id: str) -> Chat:
    """Return the chat of an id as a call has it. Raises RefusedError."""
    world, digits = call.world, _CHAT_ID.match(chat_id)
    chat = int(digits[0]) if digits else 0
    if not chat_id.startswith("@"):
        if chat in world.groups and call.bot.user.id in world.groups[chat].known:
            return world.groups[chat].chat
        if chat in world.people and (world.is_begun(call.bot.user.id, chat) or _shares_group(call, chat)):
            return private(call, chat)
        if chat in world.bots and chat != call.bot.user.id:
            user = world.bots[chat].user
            return Chat(chat, user.first_name, username=user.username, type="private")
    raise bad("chat not found")


def private(call: Call, person: int) -> Chat:
    """Return a person's private chat with the bot."""
    user = call.world.people[person].user
    return Chat(person, user.first_name, user.last_name, user.username, type="private")


def writable(call: Call, *, missing: str = "chat_id is empty") -> Chat:
    """Return the chat as `found` does, if the account is there and the bot is in the group. Raises RefusedError."""
    chat = found(call, missing=missing)
    if chat.type == "private":
        person = call.world.people.get(chat.id)
        if person is not None and person.gone:
            raise forbidden("user is deactivated")
        return chat
    _check_group(call, call.world.groups[chat.id])
    return chat


def check_reachable(call: Call, chat: Chat) -> None:
    """Check what the server finds out only when something is sent. Raises RefusedError."""
    if chat.type != "private":
        return
    if chat.id in call.world.bots:
        raise forbidden("bots can't send messages to bots")
    if call.bot.user.id in call.world.people[chat.id].blocks:
        raise forbidden("bot was blocked by the user")
    if not call.world.is_begun(call.bot.user.id, chat.id):
        raise forbidden("bot can't initiate conversation with a user")


def send_action(call: Call) -> bool:
    """Answer sendChatAction with true. Raises RefusedError."""
    if call.parameters.text("action").lower() not in _ACTIONS:
        raise bad("wrong parameter action in request")
    chat = writable(call)
    check_reachable(call, chat)
    whose = call.bot.user.id if chat.type == "private" else 0
    call.world.change(events.Acted(whose, chat.id, call.parameters.text("action").lower()))
    return True


def get(call: Call) -> dict[str, Any]:
    """Answer getChat, as far as chats of text have something to tell. Raises RefusedError."""
    chat = found(call)
    fields: dict[str, Any] = {"id": chat.id}
    if chat.type == "private":
        user = call.world.by_id(chat.id)
        names = {"first_name": user.first_name, "last_name": user.last_name, "username": user.username}
        fields |= {name: value for name, value in names.items() if value}
        return fields | {"type": "private", "accent_color_id": chat.id % 7, "max_reaction_count": 11}
    permissions = {"can_send_messages": True, "can_invite_users": True}
    fields |= {"title": chat.title, "type": chat.type, "permissions": permissions}
    gifts = dict.fromkeys(("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription"), False)
    return fields | {"accent_color_id": -chat.id % 7, "max_reaction_count": 11, "accepted_gift_types": gifts}


def _shares_group(call: Call, person: int) -> bool:
    return any({person, call.bot.user.id} <= group.members for group in call.world.groups.values())


def _check_group(call: Call, group: Group) -> None:
    if group.migrated_to:
        reason = "Bad Request: group chat was upgraded to a supergroup chat"
        raise RefusedError(400, reason, migrate_to_chat_id=group.migrated_to)
    kind = f"{group.chat.type} chat"
    if call.bot.user.id in group.kicked:
        raise forbidden(f"bot was kicked from the {kind}")
    if call.bot.user.id not in group.members:
        raise forbidden(f"bot is not a member of the {kind}")
