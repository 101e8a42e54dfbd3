"""The methods that send, edit and delete messages."""

from typing import Final

import msgspec

from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.methods import chats, markup, replies
from chat4all_simulator.telegram.methods.call import Call
from chat4all_simulator.telegram.objects import Chat, Message
from chat4all_simulator.telegram.refusals import bad
from chat4all_simulator.telegram.text import formatted

_MAX_DELETABLE_AGE_SECONDS: Final = 48 * 3600  # https://core.telegram.org/bots/api#deletemessage
_MAX_DELETED_MESSAGES: Final = 100  # at once

_SAME_MESSAGE_REASON: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current content"
    " and reply markup of the message"
)


def send(call: Call) -> Message:
    """Answer sendMessage, with checks in the order in which the server makes them. Raises RefusedError."""
    parameters = call.parameters
    preview = markup.preview(parameters)
    text, entities = formatted.read(parameters)
    wanted = replies.read(parameters)
    keyboard = markup.read(parameters)
    chat = chats.writable(call)
    original = replies.found(call, chat, wanted)
    if parameters.integer("message_thread_id") > 0:
        raise bad("message thread not found")
    text, entities = formatted.finish(text, entities)
    chats.check_reachable(call, chat)
    quote = replies.quoted(original, wanted)
    call.limits.take(call.bot.user.id, chat.id)
    dialog = call.world.dialog(call.bot.user.id, chat.id)
    message = Message(
        dialog.next_id,
        call.world.now(),
        chat,
        call.bot.user,
        reply_to_message=original,
        quote=quote,
        text=text,
        entities=entities,
        has_protected_content=parameters.truth("protect_content"),
        link_preview_options=preview,
        reply_markup=keyboard,
    )
    call.world.change(events.Said(_whose(call, chat), message))
    return message


def edit_text(call: Call) -> Message:
    """Answer editMessageText with the Message as it is now. Raises RefusedError."""
    parameters = call.parameters
    preview = markup.preview(parameters)
    text, entities = formatted.read(parameters)
    keyboard = markup.read(parameters)
    message_id = parameters.integer("message_id")
    if not parameters.text("chat_id") and not message_id and not parameters.text("inline_message_id"):
        raise bad("message identifier is not specified")
    chat = chats.writable(call)
    message = call.world.dialog(call.bot.user.id, chat.id).messages.get(message_id)
    if message is None:
        raise bad("message to edit not found")
    if message.from_.id != call.bot.user.id:
        raise bad("message can't be edited")
    text, entities = formatted.finish(text, entities)
    chats.check_reachable(call, chat)
    if (text, entities, keyboard) == (message.text, message.entities, message.reply_markup):
        raise bad(_SAME_MESSAGE_REASON)
    call.limits.take(call.bot.user.id, chat.id)
    new = msgspec.structs.replace(
        message,
        edit_date=call.world.now(),
        text=text,
        entities=entities,
        link_preview_options=preview,
        reply_markup=keyboard,
    )
    call.world.change(events.Edited(_whose(call, chat), new))
    return msgspec.structs.replace(new, reply_to_message=None, quote=None)


def delete(call: Call) -> bool:
    """Answer deleteMessage with true. Raises RefusedError."""
    if not call.parameters.text("chat_id"):
        raise bad("chat identifier is not specified")
    message_id = call.parameters.integer("message_id")
    if message_id <= 0:
        raise bad("message identifier is not specified")
    chat = chats.writable(call)
    message = call.world.dialog(call.bot.user.id, chat.id).messages.get(message_id)
    if message is None:
        raise bad("message to delete not found")
    _check_deletable(call, message)
    call.world.change(events.Deleted(_whose(call, chat), chat.id, [message_id]))
    return True


def delete_many(call: Call) -> bool:
    """Answer deleteMessages with true; those that are not there are passed over. Raises RefusedError."""
    source = call.parameters.text("message_ids")
    try:
        ids = msgspec.json.decode(source) if source else []
    except (msgspec.DecodeError, RecursionError):
        raise bad("can't parse message_ids JSON object") from None
    if not isinstance(ids, list):
        raise bad("expected an Array of message identifiers")
    if not ids:
        raise bad("message identifiers are not specified")
    if len(ids) > _MAX_DELETED_MESSAGES:
        raise bad("too many message identifiers specified")
    wanted = [_message_id(one) for one in ids]
    chat = chats.writable(call)
    messages = call.world.dialog(call.bot.user.id, chat.id).messages
    known = [one for one in wanted if one in messages]
    for one in known:
        _check_deletable(call, messages[one])
    if known:
        call.world.change(events.Deleted(_whose(call, chat), chat.id, known))
    return True


def _message_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise bad("message identifier must be a Number")
    try:
        message_id = int(str(value))
    except ValueError:
        raise bad("can't parse message identifier as Number") from None
    if message_id <= 0:
        raise bad("invalid message identifier specified")
    return message_id


def _check_deletable(call: Call, message: Message) -> None:
    """Let a bot, which is no administrator, delete its own messages in a group, and all in a private chat."""
    is_foreign = message.chat.type != "private" and message.from_.id != call.bot.user.id
    if is_foreign or call.world.now() - message.date > _MAX_DELETABLE_AGE_SECONDS:
        kind = "" if message.chat.type == "supergroup" else " for everyone"
        raise bad(f"message can't be deleted{kind}")


def _whose(call: Call, chat: Chat) -> int:
    return call.bot.user.id if chat.type == "private" else 0
