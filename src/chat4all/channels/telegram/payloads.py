"""Telegram's JSON is typed here as far as it is needed; unknown fields are ignored:
https://core.telegram.org/bots/api#update

{"update_id": 7, "message": {"message_id": 3, "date": 1795552583, "text": "Hello",
 "from": {"id": 5, "is_bot": false, "first_name": "Bruno"}, "chat": {"id": 5, "type": "private"}}}
"""

from typing import Any

import msgspec


class User(msgspec.Struct):
    """A user of Telegram is a person or a bot."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class Chat(msgspec.Struct):
    """A chat is a place for messages. `type`: private, group, supergroup or channel."""

    id: int
    type: str


class Reference(msgspec.Struct):
    """A reference names a message that was sent, or that is answered."""

    message_id: int


class Message(msgspec.Struct):
    """A message has a text or a caption. `date`, `edit_date`: seconds since 1970."""

    message_id: int
    date: int
    chat: Chat
    from_: User | None = msgspec.field(name="from", default=None)
    edit_date: int = 0
    text: str = ""
    caption: str = ""
    reply_to_message: Reference | None = None


class Member(msgspec.Struct):
    """A member of a chat has a status; here the member is the bot."""

    status: str


class MemberUpdate(msgspec.Struct):
    """The bot's status in a chat has changed. `date`: seconds since 1970."""

    chat: Chat
    date: int
    from_: User = msgspec.field(name="from")
    new_chat_member: Member


class Update(msgspec.Struct):
    """An update has one of the optional fields. `kind` names the field of an update that is not known here."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    my_chat_member: MemberUpdate | None = None


class Parameters(msgspec.Struct):
    """Parameters say more about a call that was refused. `retry_after`: seconds."""

    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class Answer(msgspec.Struct):
    """Every call has an answer of this form."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: Parameters = msgspec.field(default_factory=Parameters)


class WebhookInfo(msgspec.Struct):
    """The webhook's state says where updates go. `last_error_date`: seconds since 1970."""

    url: str = ""
    pending_update_count: int = 0
    last_error_message: str = ""
    last_error_date: int = 0


def kind(update: dict[str, Any]) -> str:
    """Return the name of the field that says what an update is about, or "nothing"."""
    return next((name for name in update if name != "update_id"), "nothing")
