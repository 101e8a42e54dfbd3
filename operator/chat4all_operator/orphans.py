"""Registrations whose resource is gone: they are disabled, and deleted after a time of grace.

Nothing is concluded from a list that was not complete, and more than half of them at once is an alarm.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import NamedTuple

from chat4all_operator.observed import Row


class Verdict(NamedTuple):
    """What is to be done about rows without a resource. `many`: so many at once that somebody should look."""

    disable: tuple[Row, ...]
    delete: tuple[Row, ...]
    orphans: int
    many: bool


def judge(
    rows: Sequence[Row], ids: Collection[str], uids: Collection[str], now: dt.datetime, grace_seconds: float
) -> Verdict:
    """Return the verdict. `ids`, `uids`: of every resource there is, from a complete list."""
    # One that is being removed is not taken over: a new resource of its name waits until it is gone.
    orphans = [one for one in rows if one.uid not in uids and (one.id not in ids or one.state == "Removing")]
    disable = tuple(one for one in orphans if one.disabled_at is None and one.state != "Removing")
    delete = tuple(
        one
        for one in orphans
        if one.state == "Removing"
        or (one.disabled_at is not None and (now - one.disabled_at).total_seconds() > grace_seconds)
    )
    missed = sum(one.id not in ids for one in orphans)
    many = missed > 1 and missed * 2 > len(rows)
    return Verdict(disable, delete, len(orphans), many)
