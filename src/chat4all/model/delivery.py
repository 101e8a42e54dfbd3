"""Delivery states. They only move forward: each is derived from what is known, nothing is overwritten."""

import enum
from collections.abc import Iterable
from typing import Final, Self

import msgspec


class State(enum.StrEnum):
    """What became of a message, for one recipient or for all of them, the worst first. Accepted: it is on its way."""

    FAILED = "failed"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS: Final = {state: rank for rank, state in enumerate(State)}


class Cursor(msgspec.Struct, frozen=True):
    """How far one member is in one conversation. Each number only grows; nought is "nothing yet"."""

    delivered_seq: int = 0
    read_seq: int = 0

    def advanced(self, delivered_seq: int = 0, read_seq: int = 0) -> Self:
        """The cursor after a receipt: the larger of each, and what is read was delivered."""
        read = max(self.read_seq, read_seq)
        return type(self)(max(self.delivered_seq, delivered_seq, read), read)

    def since(self, old: Self) -> Self:
        """What moved: nought where nothing did."""
        return type(self)(
            self.delivered_seq if self.delivered_seq > old.delivered_seq else 0,
            self.read_seq if self.read_seq > old.read_seq else 0,
        )

    def state(self, seq: int) -> State:
        """The state in the app of the message with this seq: stored is sent."""
        if self.read_seq >= seq:
            return State.READ
        return State.DELIVERED if self.delivered_seq >= seq else State.SENT


def lowest(states: Iterable[State]) -> State:
    """A message's status: the lowest over its recipients; with none, it is sent."""
    return min(states, key=lambda state: state.rank, default=State.SENT)


def best(states: Iterable[State]) -> State:
    """A recipient's state: of all the ways that lead to him, the one on which it got furthest. With none, it failed."""
    return max(states, key=lambda state: state.rank, default=State.FAILED)
