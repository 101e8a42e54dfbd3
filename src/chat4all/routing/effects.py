"""The effects of a round that is stored: cursors, pushes, what leaves the app, events.

All of them may run again with the same result.
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
from chat4all.routing.intake import PositionedRecord
from chat4all.routing.sequencer import SequencedRow
from chat4all.store.port import Store

_log = logging.getLogger(__name__)

_EVENT_KINDS = {"message": "message.created", "edit": "message.edited", "delete": "message.deleted"}


Announcement = tuple[str, int | None, bytes]  # a conversation, the seq there or None, an encoded frame


class Effects:
    """The effects of rounds are carried out here. Every method raises EngineUnavailableError, but not for a push that
    failed: pushes are hints, and a sweep makes up for them."""

    def __init__(self, *, log: Log, store: Store, directory: Directory, realtime: Realtime, dispatch: Dispatch) -> None:
        self._log = log
        self._dispatch = dispatch
        self._store = store
        self._directory = directory
        self._realtime = realtime
        self._sweep_due = False

    async def apply(self, placed: Sequence[SequencedRow], notes: Sequence[PositionedRecord]) -> None:
        """Carry out all effects of a round: first store receipts, then do side by side what others are told of."""
        cursors = await self._move_cursors([note for note in notes if isinstance(note.record, records.Receipt)])
        frames_of = await self._dispatch.receive(notes)
        # Members are read once, and only after the heads are written: a user who joins later sees the heads.
        conversations = {one.row.conversation_id for one in placed} | {write.conversation_id for write in cursors}
        conversations |= {conversation_id for conversation_id, _ in frames_of}
        members = await self._directory.members(conversations)
        await _all(
            self._push(placed, cursors, frames_of, members),
            self._leave(placed, notes, members),
            self._log.append([_event(one) for one in placed]),
        )

    async def sweep_if_due(self) -> None:
        """Ask every gateway to sweep if pushes failed before. If that fails too, the next call tries again."""
        if not self._sweep_due:
            return
        try:
            await self._realtime.sweep()
        except EngineUnavailableError:
            return
        self._sweep_due = False

    async def _move_cursors(self, receipts: Sequence[PositionedRecord]) -> list[CursorWrite]:
        """Write the receipts that move a cursor. Return how far each user who sent one is now."""
        if not receipts:
            return []
        stored = await self._store.cursors({arrival.record.conversation_id for arrival in receipts})
        now: dict[tuple[str, str], CursorWrite] = {}
        moved: list[CursorWrite] = []
        for arrival in receipts:
            record = arrival.record
            if not isinstance(record, records.Receipt):
                continue
            place = (record.conversation_id, record.user_id)
            old = now[place].cursor if place in now else stored.get(place[0], {}).get(place[1], Cursor())
            new = old.advanced(record.delivered_seq, record.read_seq)
            now[place] = CursorWrite(*place, new, arrival.at, arrival.position)
            if new != old:
                moved.append(CursorWrite(*place, new.since(old), arrival.at, arrival.position))
        await self._store.put_cursors(moved)
        return list(now.values())

    async def _leave(self, placed: Sequence[SequencedRow], notes: Sequence[PositionedRecord], members: Members) -> None:
        refused = await self._dispatch.send(placed, notes, members)
        await self._push((), (), refused, members)

    async def _push(
        self,
        placed: Sequence[SequencedRow],
        cursors: Sequence[CursorWrite],
        others: Sequence[tuple[str, bytes]],
        members: Members,
    ) -> None:
        """Push frames to the members who are connected, with one lookup of gateways and one publish for all of them.
        `others`: further frames, each with its conversation."""
        if not placed and not cursors and not others:
            return
        try:
            gateways = await self._realtime.gateways({user for users in members.values() for user in users})
            if gateways:
                frames_of = await self._frames(placed, cursors)
                frames_of += [(conversation_id, None, frame) for conversation_id, frame in others]
                await self._realtime.publish(_pushes(frames_of, members, gateways))
        except EngineUnavailableError as error:
            if error.engine != "realtime":
                raise
            _log.warning("Pushes were lost; a sweep will make up for them: %s", error)
            self._sweep_due = True

    async def _frames(self, placed: Sequence[SequencedRow], cursors: Sequence[CursorWrite]) -> list[Announcement]:
        current = await self._current(placed)
        frames_of: list[Announcement] = [
            (seen.row.conversation_id, seen.row.seq, frames.encode(seen.frame()))
            for seen in await history.seen(self._store, current)
        ]
        frames_of += [
            (write.conversation_id, None, frames.encode(frames.receipt(*_who(write), write.cursor, write.at)))
            for write in cursors
        ]
        return frames_of

    async def _current(self, placed: Sequence[SequencedRow]) -> list[Row]:
        """Return the rows as they stand now. A new one that nothing in this round changed is what was just written, and
        is not read again."""
        changed = {(one.row.conversation_id, one.row.target_seq) for one in placed}
        stale = {_key(one.row) for one in placed if one.replay or _key(one.row) in changed}
        rows = await self._store.rows(stale) if stale else {}
        return [rows.get(_key(one.row), one.row) for one in placed]


async def _all(*works: Awaitable[object]) -> None:
    """Wait for all of them to end, also when one fails. Then raise the first one's error."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _pushes(frames_of: Sequence[Announcement], members: Members, gateways: Mapping[str, frozenset[str]]) -> list[Push]:
    """Return for each gateway the frames that concern users with sessions there."""
    return [
        Push(gateway=gateway, users=users, conversation_id=conversation_id, seq=seq, frame=frame)
        for conversation_id, seq, frame in frames_of
        for gateway, present in gateways.items()
        if (users := tuple(user for user in members[conversation_id] if user in present))
    ]


def _key(row: Row) -> tuple[str, int]:
    return row.conversation_id, row.seq


def _who(write: CursorWrite) -> tuple[str, str]:
    return write.conversation_id, write.user_id


def _event(one: SequencedRow) -> Entry:
    """Return the event for other systems. It has ids and no content: a system that wants that asks for it, and gets it
    as it stands then."""
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
