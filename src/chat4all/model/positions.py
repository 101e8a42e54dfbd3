"""Position: where a record stands in the log's own order; the timestamp of every write that the router makes."""

from typing import Final, NewType

Position = NewType("Position", int)

_OFFSET_BITS: Final = 40


def position(epoch: int, offset: int) -> Position:
    """`epoch * 2**40 + offset`: comparable within one conversation, whose records share one partition.

    A new epoch (a re-created or re-partitioned topic) is above every position of the one before.
    Raises ValueError for an epoch outside 0..2**22 or an offset outside 0..2**40, which would collide with another's.
    """
    if not 0 <= epoch < 1 << 22 or not 0 <= offset < 1 << _OFFSET_BITS:
        raise ValueError(f"epoch {epoch}, offset {offset}: outside what a position can hold")
    return Position((epoch << _OFFSET_BITS) + offset)


def offset_of(value: Position) -> int:
    """The log offset inside a position."""
    return value & ((1 << _OFFSET_BITS) - 1)


def epoch_of(value: Position) -> int:
    """The epoch inside a position."""
    return value >> _OFFSET_BITS
