"""Telegram's JSON, as far as it is needed; unknown fields are ignored: https://core.telegram.org/bots/api#update

{"update_id": 7, "message": {"message_id": 3, "date": 1795552583, "text": "Hello",
 "from": {"id": 5, "is_bot": false, "first_name": "Bruno"}, "chat": {"id": 5, "type": "private"}}}
"""

from typing import Any

import msgspec


class User(msgspec.Struct):
    """A person or a bot."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class Chat(msgspec.Struct):
    """`type`: private, group, supergroup or channel."""

    id: int
    type: str


class Reference(msgspec.Struct):
    """A message that is answered."""

    message_id: int


class Message(msgspec.Struct):
    """`date`, `edit_date`: seconds since 1970."""

    message_id: int
    date: int
    chat: Chat
    from_: User | None = msgspec.field(name="from", default=None)
    edit_date: int = 0
    text: str = ""
    caption: str = ""
    reply_to_message: Reference | None = None


class Member(msgspec.Struct):
    """The bot's standing."""

    status: str


class MemberUpdate(msgspec.Struct):
    """It has changed."""

    chat: Chat
    date: int
    from_: User = msgspec.field(name="from")
    new_chat_member: Member


class Update(msgspec.Struct):
    """One of its optional fields is there; which are not known here is found by `kind`."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    my_chat_member: MemberUpdate | None = None


class Parameters(msgspec.Struct):
    """Why a call was refused."""

    retry_after: int | None = None
    migrate_to_chat_id: int | None = None


class Answer(msgspec.Struct):
    """Of every call."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: Parameters = msgspec.field(default_factory=Parameters)


class WebhookInfo(msgspec.Struct):
    """Where updates go."""

    url: str = ""
    pending_update_count: int = 0
    last_error_message: str = ""
    last_error_date: int = 0


def kind(update: dict[str, Any]) -> str:
    """The field that says what it is about."""
    return next((name for name in update if name != "update_id"), "nothing")
