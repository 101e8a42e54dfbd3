"""The Bot API's objects, as far as chats of text need them: https://core.telegram.org/bots/api#available-types

What has its default is left out of the JSON, as the Bot API leaves it out.
"""

from typing import Any

import msgspec


class User(msgspec.Struct, omit_defaults=True, frozen=True):
    """A person or a bot, as the Bot API's User."""

    id: int
    is_bot: bool
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = ""


class Chat(msgspec.Struct, omit_defaults=True, frozen=True):
    """A chat; `type` is private, group or supergroup. A private chat's id is the person's."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    title: str = ""
    type: str = ""


class Entity(msgspec.Struct, omit_defaults=True, frozen=True, order=True):
    """A MessageEntity; `offset` and `length` are in UTF-16 code units."""

    offset: int
    length: int
    type: str
    url: str = ""
    user: User | None = None
    language: str = ""
    custom_emoji_id: str = ""


class Quote(msgspec.Struct, omit_defaults=True, frozen=True):
    """A part of the message that is replied to; `position` in UTF-16 code units."""

    text: str
    position: int
    is_manual: bool = False
    entities: list[Entity] = []


class Message(msgspec.Struct, omit_defaults=True):
    """A message; `message_id` is unique in its chat only; `date` and `edit_date` are seconds since 1970."""

    message_id: int
    date: int
    chat: Chat
    from_: User = msgspec.field(name="from")
    edit_date: int = 0
    reply_to_message: "Message | None" = None
    quote: Quote | None = None
    text: str = ""
    entities: list[Entity] = []
    has_protected_content: bool = False
    link_preview_options: dict[str, Any] | None = None
    reply_markup: Any = None
    caption: str = ""
    group_chat_created: bool = False
    new_chat_members: list[User] = []
    left_chat_member: User | None = None
    migrate_to_chat_id: int = 0
    migrate_from_chat_id: int = 0


class Member(msgspec.Struct, omit_defaults=True, frozen=True):
    """Someone's standing in a chat: `status` is member, left or kicked; a ban's `until_date` is always said."""

    user: User
    status: str
    until_date: int | None = None


class MemberUpdate(msgspec.Struct, frozen=True):
    """The bot's own standing in a chat has changed; in a private chat: it was blocked or unblocked."""

    chat: Chat
    date: int
    old_chat_member: Member
    new_chat_member: Member
    from_: User = msgspec.field(name="from")
