"""What changes the state: each is an entry of the log under its name; taken in order, they are the state."""

from typing import Any, Final, get_args

import msgspec

from chat4all_simulator.telegram.objects import Message, User


class Event(msgspec.Struct, frozen=True, tag_field="what"):
    """A change. `bot` and `person` are user ids, `chat` is a chat's; bot 0 is a group, whose bots all see it."""


class BotMade(Event, frozen=True, tag="bot"):
    """A bot was made or changed. `privacy`: in groups it hears only commands, mentions of it and replies to it."""

    user: User
    privacy: bool


class PersonMade(Event, frozen=True, tag="person"):
    """A person got a phone, or other names."""

    user: User


class Deactivated(Event, frozen=True, tag="deactivated"):
    """The account is gone, or is back."""

    person: int
    gone: bool


class Blocked(Event, frozen=True, tag="blocked"):
    """A person has blocked a bot, or takes it back."""

    bot: int
    person: int
    blocked: bool


class GroupMade(Event, frozen=True, tag="group"):
    """A group was made, without members. `type`: group or supergroup."""

    chat: int
    title: str
    type: str


class Joined(Event, frozen=True, tag="joined"):
    """Someone, a bot too, is in the group now."""

    chat: int
    user: int


class Left(Event, frozen=True, tag="left"):
    """Someone is no longer in the group; `kicked`: they may not come back by themselves."""

    chat: int
    user: int
    kicked: bool


class Migrated(Event, frozen=True, tag="migrated"):
    """The group lives on under another id."""

    chat: int
    to: int


class Said(Event, frozen=True, tag="message"):
    """A message was written in a chat."""

    bot: int
    message: Message


class Edited(Event, frozen=True, tag="edited"):
    """A message was edited; `message`: as it now stands."""

    bot: int
    message: Message


class Deleted(Event, frozen=True, tag="deleted"):
    """Messages were deleted, for everyone in the chat."""

    bot: int
    chat: int
    message_ids: list[int]


class Acted(Event, frozen=True, tag="typing"):
    """A bot shows that it is doing something; it changes nothing, and is told to phones only."""

    bot: int
    chat: int
    action: str


class Queued(Event, frozen=True, tag="update"):
    """An update waits for its bot. `queue`: those of one are delivered in order; `until`: seconds since 1970.

    What faults do to it: `copies`: how often more than once it comes; `reordered`: it may change places with others
    that may; `forged`: how often it is posted with a wrong secret before it comes with the right one.
    """

    bot: int
    update_id: int
    kind: str
    queue: str
    until: float
    update: msgspec.Raw
    copies: int = 0
    reordered: bool = False
    forged: int = 0


class Repeated(Event, frozen=True, tag="repeated"):
    """Copies of updates that were confirmed were given to the bot."""

    bot: int
    update_ids: list[int]


class Forged(Event, frozen=True, tag="forged"):
    """An update was posted with a wrong secret, and answered."""

    bot: int
    update_id: int


class Confirmed(Event, frozen=True, tag="confirmed"):
    """The bot has had the updates below this id, by polling."""

    bot: int
    below: int


class Delivered(Event, frozen=True, tag="delivered"):
    """The bot has had this update, by webhook; or it was too old, or thrown away as the bot asked for."""

    bot: int
    update_id: int
    reason: str = "accepted"


class WebhookSet(Event, frozen=True, tag="webhook"):
    """The bot has said where updates are posted; an empty url: nowhere, they are polled. What is secret in it is hidden
    here, and kept elsewhere with the secret that goes with each post."""

    bot: int
    url: str
    max_connections: int = 40
    ip_address: str = ""


class WebhookFailed(Event, frozen=True, tag="webhook_failed"):
    """An update could not be posted; `date`: when, in seconds since 1970, `message`: why."""

    bot: int
    date: int
    message: str


class AllowedSet(Event, frozen=True, tag="allowed_updates"):
    """The kinds of updates that the bot wants; None: the default."""

    bot: int
    kinds: list[str] | None


Change = (
    BotMade
    | PersonMade
    | Deactivated
    | Blocked
    | GroupMade
    | Joined
    | Left
    | Migrated
    | Said
    | Edited
    | Deleted
    | Acted
    | Queued
    | Repeated
    | Forged
    | Confirmed
    | Delivered
    | WebhookSet
    | WebhookFailed
    | AllowedSet
)
_TAGS: Final = {one.__struct_config__.tag for one in get_args(Change)}


def read(entry: dict[str, Any]) -> Change | None:
    """Return the change that an entry of the log tells of; None if it tells of none."""
    if entry["what"] not in _TAGS:
        return None
    if "update" in entry:  # kept as it was written, for that is how it is sent
        entry = {**entry, "update": msgspec.Raw(msgspec.json.encode(entry["update"]))}
    change: Change = msgspec.convert(entry, Change)
    return change
