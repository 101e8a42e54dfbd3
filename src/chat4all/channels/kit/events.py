"""What a provider tells us, in words that all channels share. Ids are the provider's own, as texts."""

from typing import Literal

import msgspec

from chat4all.model.delivery import State


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it: the provider's id of the person, and the name that they show."""

    external_id: str
    name: str
    username: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`event_id`: the same whenever it is told again; `chat`: where; `at`: milliseconds since 1970."""

    event_id: str
    chat: str
    at: int


class Received(Event, frozen=True, kw_only=True):
    """A person has written. `external_id`: the message's, unique in its chat; `quotes`: the id of one it answers."""

    sender: Person
    external_id: str
    text: str
    quotes: str | None = None


class Revised(Event, frozen=True, kw_only=True):
    """A person has changed what they wrote."""

    sender: Person
    external_id: str
    text: str


class Standing(Event, frozen=True, kw_only=True):
    """Whether a person can be written to has changed: they have blocked us, or take it back."""

    sender: Person
    reachable: bool


class Progress(Event, frozen=True, kw_only=True):
    """A provider tells how far one of our messages is. `reason`: why it failed, a code of model.reasons."""

    external_id: str
    state: Literal[State.DELIVERED, State.READ, State.FAILED]
    reason: str = ""


class Group(Event, frozen=True, kw_only=True):
    """Something happened in a group, of which we only say that groups are not supported."""


class Unsupported(Event, frozen=True, kw_only=True):
    """Something of a kind that is not understood; counted and left alone."""

    kind: str


AnyEvent = Received | Revised | Standing | Progress | Group | Unsupported
