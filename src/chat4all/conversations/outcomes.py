"""What became of a message for one person follows from pure rules over their cursor in the app and the deliveries on
their channels.

A person's state is that of their best way; a way's is that of its latest generation, and of its worst part.
"""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from chat4all.model.channels import APP
from chat4all.model.delivery import Cursor, State, best, lowest
from chat4all.model.ids import is_contact
from chat4all.model.outbound import Delivery
from chat4all.model.rows import ReceiptTimes, Row


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Says how a message fared on one link, in the generation that counts. `connector`: its id, or the name of a
    channel on which this person has no link; `at`: ms, of the state; `reason`: a code of model.reasons, why it
    failed."""

    link: str
    connector: str
    state: State
    at: int | None = None
    reason: str = ""
    generation: int = 0


class Recipient(msgspec.Struct, frozen=True):
    """Says what became of a message for one member. `ways`: one for each of their links; the app is not among them."""

    username: str
    state: State
    reached: ReceiptTimes
    ways: tuple[Way, ...] = ()


def recipient(
    row: Row, username: str, cursor: Cursor, reached: ReceiptTimes, deliveries: Sequence[Delivery]
) -> Recipient:
    """Return what became of the message for this person. `deliveries`: those of this message to them."""
    ways = tuple(_ways(deliveries))
    return Recipient(username, _state(row, username, cursor, ways), reached, ways)


def _state(row: Row, username: str, cursor: Cursor, ways: Sequence[Way]) -> State:
    """Return the state: whoever can log in has the message once it is stored, a contact where a channel says so."""
    states = [way.state for way in ways]
    if not is_contact(username):
        return best([cursor.state(row.seq), *states])
    if ways or row.channels == (APP,):
        return best(states)
    return State.ACCEPTED  # it is not planned yet


def _ways(deliveries: Sequence[Delivery]) -> list[Way]:
    ordered = sorted(deliveries, key=lambda one: (one.key.link, one.connector, -one.key.generation, one.key.part))
    ways = []
    for _, generations in groupby(ordered, key=lambda one: (one.key.link, one.connector if not one.key.link else "")):
        first, *rest = generations
        parts = [first, *(one for one in rest if one.key.generation == first.key.generation)]
        ways.append(_way(parts))
    return ways


def _way(parts: Sequence[Delivery]) -> Way:
    """Return the way that the parts of one generation make; a part without a delivery yet counts as accepted."""
    part_count = max(part.parts for part in parts)
    states = [part.state for part in parts] + [State.ACCEPTED] * (part_count - len(parts))
    state = lowest(states)
    decisive = next((part for part in parts if part.state is state), parts[0])
    return Way(
        link=decisive.key.link,
        connector=decisive.connector,
        state=state,
        at=decisive.at if decisive.state is state else None,
        reason=decisive.reason if state is State.FAILED else "",
        generation=decisive.key.generation,
    )
