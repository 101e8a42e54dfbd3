"""What changes the state: each is an entry of the log under its name; taken in order, they are the state."""

from typing import Any, Final, get_args

import msgspec

from chat4all_simulator.telegram.objects import Message, User


class Event(msgspec.Struct, frozen=True, tag_field="what"):
    """`bot` and `person` are user ids, `chat` is a chat's id; a bot of 0: a group, whose messages all its bots see."""


class BotMade(Event, frozen=True, tag="bot"):
    """A bot. `privacy`: in groups it hears only commands, mentions of it and replies to it."""

    user: User
    privacy: bool


class PersonMade(Event, frozen=True, tag="person"):
    """A person with a phone, or other names for one."""

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
    """A group without members. `type`: group or supergroup."""

    chat: int
    title: str
    type: str


class Joined(Event, frozen=True, tag="joined"):
    """Someone, a bot too, is in the group now."""

    chat: int
    user: int


class Left(Event, frozen=True, tag="left"):
    """Someone is no longer; `kicked`: he may not come back by himself."""

    chat: int
    user: int
    kicked: bool


class Migrated(Event, frozen=True, tag="migrated"):
    """The group lives on under another id."""

    chat: int
    to: int


class Said(Event, frozen=True, tag="message"):
    """A message."""

    bot: int
    message: Message


class Edited(Event, frozen=True, tag="edited"):
    """The message as it now stands."""

    bot: int
    message: Message


class Deleted(Event, frozen=True, tag="deleted"):
    """Messages are gone, for everyone."""

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
    """By polling: the bot has had the updates below this id."""

    bot: int
    below: int


class Delivered(Event, frozen=True, tag="delivered"):
    """By webhook: the bot has had this one; or it was too old, or thrown away as the bot asked for."""

    bot: int
    update_id: int
    reason: str = "accepted"


class WebhookSet(Event, frozen=True, tag="webhook"):
    """Where updates are posted; an empty url: nowhere, they are polled. What is secret in it is hidden here, and kept
    elsewhere with the secret that goes with each post."""

    bot: int
    url: str
    max_connections: int = 40
    ip_address: str = ""


class WebhookFailed(Event, frozen=True, tag="webhook_failed"):
    """The last time, and why, an update could not be posted."""

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
_NAMES: Final = {one.__struct_config__.tag for one in get_args(Change)}


def read(entry: dict[str, Any]) -> Change | None:
    """The change that an entry of the log tells of; None: it tells of none."""
    if entry["what"] not in _NAMES:
        return None
    if "update" in entry:  # kept as it was written, for that is how it is sent
        entry = {**entry, "update": msgspec.Raw(msgspec.json.encode(entry["update"]))}
    change: Change = msgspec.convert(entry, Change)
    return change
