"""A position says where a record stands in the log's own order. It is the timestamp of every write of the router."""

from typing import Final, NewType

Position = NewType("Position", int)

_OFFSET_BITS: Final = 40


def position(epoch: int, offset: int) -> Position:
    """Return `epoch * 2**40 + offset`. Positions are comparable within one conversation, whose records share one
    partition.

    The positions of a new epoch (a re-created or re-partitioned topic) are above all of the epoch before. Raises
    ValueError for an epoch outside 0..2**22 or an offset outside 0..2**40, whose position would be another record's.
    """
    if not 0 <= epoch < 1 << 22 or not 0 <= offset < 1 << _OFFSET_BITS:
        raise ValueError(f"epoch {epoch}, offset {offset}: outside what a position can hold")
    return Position((epoch << _OFFSET_BITS) + offset)


def offset_of(value: Position) -> int:
    """Return the log offset inside a position."""
    return value & ((1 << _OFFSET_BITS) - 1)


def epoch_of(value: Position) -> int:
    """Return the epoch inside a position, from 0."""
    return value >> _OFFSET_BITS
