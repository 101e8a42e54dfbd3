"""Delivery states only move forward: each is derived from what is known, and nothing is overwritten."""

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
        return _RANK_OF_STATE[self]


_RANK_OF_STATE: Final = {state: rank for rank, state in enumerate(State)}


class Cursor(msgspec.Struct, frozen=True):
    """A cursor says how far one member is in one conversation. Each seq only grows; 0 means "nothing yet"."""

    delivered_seq: int = 0
    read_seq: int = 0

    def advanced(self, delivered_seq: int = 0, read_seq: int = 0) -> Self:
        """Return the cursor after a receipt: the larger seq of each, and what is read counts as delivered."""
        read = max(self.read_seq, read_seq)
        return type(self)(max(self.delivered_seq, delivered_seq, read), read)

    def since(self, old: Self) -> Self:
        """Return a cursor of the seqs that have moved since `old`, with 0 for one that has not."""
        return type(self)(
            self.delivered_seq if self.delivered_seq > old.delivered_seq else 0,
            self.read_seq if self.read_seq > old.read_seq else 0,
        )

    def state(self, seq: int) -> State:
        """Return the state in the app of the message with this seq. A message that is stored counts as sent."""
        if self.read_seq >= seq:
            return State.READ
        return State.DELIVERED if self.delivered_seq >= seq else State.SENT


def lowest(states: Iterable[State]) -> State:
    """Return a message's status: the lowest state over its recipients, or sent if it has none."""
    return min(states, key=lambda state: state.rank, default=State.SENT)


def best(states: Iterable[State]) -> State:
    """Return a recipient's state: that of the delivery which got furthest, or failed if there is none."""
    return max(states, key=lambda state: state.rank, default=State.FAILED)
