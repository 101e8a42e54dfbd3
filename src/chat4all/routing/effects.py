"""What follows once a round is stored: cursors, pushes, what leaves the app, events.

All of it may run again with the same result.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence

import msgspec

from chat4all.conversations import history
from chat4all.directory.port import Directory
from chat4all.log.port import EVENTS, Entry, Log
from chat4all.model import frames, records
from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import effect_id
from chat4all.model.rows import CursorWrite, Row
from chat4all.realtime.port import Push, Realtime
from chat4all.routing.dispatch import Dispatch, Members
from chat4all.routing.intake import Arrival
from chat4all.routing.sequencer import Placed
from chat4all.store.port import Store

_log = logging.getLogger(__name__)

_EVENT_KINDS = {"message": "message.created", "edit": "message.edited", "delete": "message.deleted"}


Told = tuple[str, int | None, bytes]  # of which conversation, at which seq if it has one, what frame


class Effects:
    """Raises EngineUnavailableError, except for pushes: they are hints, and a sweep makes up for those that failed."""

    def __init__(self, *, log: Log, store: Store, directory: Directory, realtime: Realtime, dispatch: Dispatch) -> None:
        self._log = log
        self._dispatch = dispatch
        self._store = store
        self._directory = directory
        self._realtime = realtime
        self._sweep_due = False

    async def apply(self, placed: Sequence[Placed], notes: Sequence[Arrival]) -> None:
        """All effects of a round: what only notes what was, then side by side all that others hear of."""
        cursors = await self._move_cursors([note for note in notes if isinstance(note.record, records.Receipt)])
        told = await self._dispatch.receive(notes)
        # Asked once, and only now that the heads are there: who came since has seen them.
        conversations = {one.row.conversation_id for one in placed} | {write.conversation_id for write in cursors}
        conversations |= {conversation_id for conversation_id, _ in told}
        members = await self._directory.members(conversations)
        await _all(
            self._push(placed, cursors, told, members),
            self._leave(placed, notes, members),
            self._log.append([_event(one) for one in placed]),
        )

    async def sweep_if_due(self) -> None:
        """After pushes failed: have every gateway look for itself, as soon as that can be said."""
        if not self._sweep_due:
            return
        try:
            await self._realtime.sweep()
        except EngineUnavailableError:
            return
        self._sweep_due = False

    async def _move_cursors(self, receipts: Sequence[Arrival]) -> list[CursorWrite]:
        """Write the receipts that move a cursor; return how far everyone who sent one now is."""
        if not receipts:
            return []
        held = await self._store.cursors({arrival.record.conversation_id for arrival in receipts})
        now: dict[tuple[str, str], CursorWrite] = {}
        moved: list[CursorWrite] = []
        for arrival in receipts:
            record = arrival.record
            if not isinstance(record, records.Receipt):
                continue
            place = (record.conversation_id, record.user_id)
            old = now[place].cursor if place in now else held.get(place[0], {}).get(place[1], Cursor())
            new = old.advanced(record.delivered_seq, record.read_seq)
            now[place] = CursorWrite(*place, new, arrival.at, arrival.position)
            if new != old:
                moved.append(CursorWrite(*place, new.since(old), arrival.at, arrival.position))
        await self._store.put_cursors(moved)
        return list(now.values())

    async def _leave(self, placed: Sequence[Placed], notes: Sequence[Arrival], members: Members) -> None:
        refused = await self._dispatch.send(placed, notes, members)
        await self._push((), (), refused, members)

    async def _push(
        self,
        placed: Sequence[Placed],
        cursors: Sequence[CursorWrite],
        told: Sequence[tuple[str, bytes]],
        members: Members,
    ) -> None:
        """One lookup of gateways, one publish: never one per message. `told`: frames beside them."""
        if not placed and not cursors and not told:
            return
        try:
            places = await self._realtime.gateways({user for held in members.values() for user in held})
            if places:
                frames_of = await self._frames(placed, cursors)
                frames_of += [(conversation_id, None, frame) for conversation_id, frame in told]
                await self._realtime.publish(_pushes(frames_of, members, places))
        except EngineUnavailableError as error:
            if error.engine != "realtime":
                raise
            _log.warning("Pushes were lost, a sweep will make up for them: %s", error)
            self._sweep_due = True

    async def _frames(self, placed: Sequence[Placed], cursors: Sequence[CursorWrite]) -> list[Told]:
        current = await self._current(placed)
        told: list[Told] = [
            (seen.row.conversation_id, seen.row.seq, frames.encode(seen.frame()))
            for seen in await history.seen(self._store, current)
        ]
        told += [
            (write.conversation_id, None, frames.encode(frames.receipt(*_who(write), write.cursor, write.at)))
            for write in cursors
        ]
        return told

    async def _current(self, placed: Sequence[Placed]) -> list[Row]:
        """The rows as they stand now. A fresh one that nothing in this round changed is what was just written."""
        changed = {(one.row.conversation_id, one.row.target_seq) for one in placed}
        stale = {_key(one.row) for one in placed if one.replay or _key(one.row) in changed}
        read = await self._store.rows(stale) if stale else {}
        return [read.get(_key(one.row), one.row) for one in placed]


async def _all(*works: Awaitable[object]) -> None:
    """Each to its end, also when another fails."""
    for done in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(done, BaseException):
            raise done


def _pushes(told: Sequence[Told], members: Members, places: Mapping[str, frozenset[str]]) -> list[Push]:
    """To each gateway what concerns those who are there."""
    return [
        Push(gateway=gateway, users=users, conversation_id=conversation_id, seq=seq, frame=frame)
        for conversation_id, seq, frame in told
        for gateway, present in places.items()
        if (users := tuple(user for user in members[conversation_id] if user in present))
    ]


def _key(row: Row) -> tuple[str, int]:
    return row.conversation_id, row.seq


def _who(write: CursorWrite) -> tuple[str, str]:
    return write.conversation_id, write.user_id


def _event(one: Placed) -> Entry:
    """What other systems may hear: ids, no content; whoever wants that asks for it as it stands then."""
    row = one.row
    kind = _EVENT_KINDS.get(row.kind, "members.changed")
    event = {
        "v": 1,
        "kind": kind,
        "id": effect_id(row.position, f"{kind} {row.conversation_id}"),
        "conversation_id": row.conversation_id,
        "seq": row.seq,
        "message_id": one.target.message_id if one.target else row.message_id,
        "sender_id": row.sender_id,
        "at": row.created_at,
    }
    return Entry(EVENTS, row.conversation_id.encode(), msgspec.json.encode(event), one.arrival.trace)
