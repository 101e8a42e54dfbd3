"""What Telegram's updates mean: https://core.telegram.org/bots/api#update"""

from typing import Any

import msgspec

from chat4all.channels.kit.errors import MalformedError
from chat4all.channels.kit.events import AnyEvent, Group, Person, Received, Revised, Standing, Unsupported
from chat4all.channels.telegram import payloads


def event(raw: dict[str, Any]) -> AnyEvent:
    """Return the event that an update means. Raises MalformedError if it has no id."""
    update_id = raw.get("update_id")
    if isinstance(update_id, bool) or not isinstance(update_id, int):
        raise MalformedError("The body is not an update: it has no update_id.")
    unsupported = Unsupported(event_id=str(update_id), chat="", at=0, kind=payloads.kind(raw))
    try:
        update = msgspec.convert(raw, payloads.Update)
    except msgspec.ValidationError:
        return unsupported
    if update.my_chat_member is not None:
        return _standing_or_group(str(update_id), update.my_chat_member)
    message = update.message or update.edited_message
    if message is None or message.from_ is None:
        return unsupported
    return _from_message(str(update_id), message, message.from_, edited=update.edited_message is not None)


def _standing_or_group(event_id: str, update: payloads.MemberUpdate) -> AnyEvent:
    """Return the event which says that we were blocked or unblocked, or that we came into a group or out of it."""
    place: dict[str, Any] = {"event_id": event_id, "chat": str(update.chat.id), "at": update.date * 1000}
    if update.chat.type != "private":
        return Group(**place)
    return Standing(
        **place, sender=_person(update.from_), reachable=update.new_chat_member.status not in {"kicked", "left"}
    )


def _from_message(event_id: str, message: payloads.Message, sender: payloads.User, *, edited: bool) -> AnyEvent:
    at = (message.edit_date or message.date) * 1000
    place: dict[str, Any] = {"event_id": event_id, "chat": str(message.chat.id), "at": at}
    text = message.text or message.caption
    if message.chat.type != "private":
        return Group(**place)
    if not text:
        return Unsupported(**place, kind="message without text")
    content: dict[str, Any] = {"sender": _person(sender), "external_id": str(message.message_id), "text": text}
    if edited:
        return Revised(**place, **content)
    quoted = message.reply_to_message
    return Received(**place, **content, quotes=str(quoted.message_id) if quoted else None)


def _person(user: payloads.User) -> Person:
    name = f"{user.first_name} {user.last_name}".strip() or user.username or str(user.id)
    return Person(external_id=str(user.id), name=name, username=user.username)
