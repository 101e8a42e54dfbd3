"""What became of a message for one person: pure rules over his cursor in the app and the deliveries on his channels.

A person's state is that of his best way; a way's is that of its latest generation, and of its worst part.
"""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from chat4all.model.channels import APP
from chat4all.model.delivery import Cursor, State, best, lowest
from chat4all.model.ids import is_contact
from chat4all.model.outbound import Delivery
from chat4all.model.rows import Reached, Row


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How a message fared on one link, in the generation that counts. `connector`: its id, or the name of a channel on
    which this person has no link; `at`: ms, of the state; `reason`: a code of model.reasons, why it failed."""

    link: str
    connector: str
    state: State
    at: int | None = None
    reason: str = ""
    generation: int = 0


class Recipient(msgspec.Struct, frozen=True):
    """What became of a message for one member; times in ms. `ways`: his links; the app is not one of them."""

    username: str
    state: State
    reached: Reached
    ways: tuple[Way, ...] = ()


def recipient(row: Row, username: str, cursor: Cursor, reached: Reached, deliveries: Sequence[Delivery]) -> Recipient:
    """`deliveries`: those of this message to this person."""
    ways = tuple(_ways(deliveries))
    return Recipient(username, _state(row, username, cursor, ways), reached, ways)


def _state(row: Row, username: str, cursor: Cursor, ways: Sequence[Way]) -> State:
    """Whoever can log in has it as soon as it is stored; a contact has it where a channel says so."""
    states = [way.state for way in ways]
    if not is_contact(username):
        return best([cursor.state(row.seq), *states])
    if ways or row.channels == (APP,):
        return best(states)
    return State.ACCEPTED  # it is not planned yet


def _ways(deliveries: Sequence[Delivery]) -> list[Way]:
    ordered = sorted(deliveries, key=lambda one: (one.key.link, one.connector, -one.key.generation, one.key.part))
    ways = []
    for _, of_link in groupby(ordered, key=lambda one: (one.key.link, one.connector if not one.key.link else "")):
        first, *rest = of_link
        parts = [first, *(one for one in rest if one.key.generation == first.key.generation)]
        ways.append(_way(parts))
    return ways


def _way(parts: Sequence[Delivery]) -> Way:
    """Of the parts of one generation; one that is not known yet is on its way."""
    wanted = max(part.parts for part in parts)
    states = [part.state for part in parts] + [State.ACCEPTED] * (wanted - len(parts))
    state = lowest(states)
    told = next((part for part in parts if part.state is state), parts[0])
    return Way(
        link=told.key.link,
        connector=told.connector,
        state=state,
        at=told.at if told.state is state else None,
        reason=told.reason if state is State.FAILED else "",
        generation=told.key.generation,
    )
