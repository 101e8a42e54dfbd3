"""Reading back: pages of a conversation, what a message's status is, where it has been."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.directory.port import Directory
from chat4all.model import frames
from chat4all.model.delivery import Cursor, State, lowest
from chat4all.model.rows import Reached, Row
from chat4all.store.port import Store


class Seen(msgspec.Struct, frozen=True):
    """A row as it stands now; an edit's or delete's with the row that it changed."""

    row: Row
    target: Row | None = None

    def frame(self) -> frames.Frame:
        """What a WebSocket is told."""
        return frames.of_row(self.row, self.target)


class Event(msgspec.Struct, frozen=True):
    """A line of a message's timeline. `at`: ms."""

    at: int
    what: str
    who: str
    detail: str = ""


class Recipient(msgspec.Struct, frozen=True):
    """What became of a message for one member; times in ms."""

    username: str
    state: State
    reached: Reached


async def seen(store: Store, rows: Sequence[Row]) -> list[Seen]:
    """The rows with the targets of edits and deletes, in one read for all that the page itself does not hold."""
    held = {(row.conversation_id, row.seq): row for row in rows}
    wanted = {(row.conversation_id, row.target_seq) for row in rows if row.target_seq is not None} - held.keys()
    targets = held | (await store.rows(wanted) if wanted else {})
    return [
        Seen(row, targets.get((row.conversation_id, row.target_seq)) if row.target_seq is not None else None)
        for row in rows
    ]


def recipients(row: Row, joined: Mapping[str, int]) -> list[str]:
    """Everyone a message is for: who was there when it was said. Who came later does not make it unread again."""
    return [member for member, at in joined.items() if member != row.sender_id and at <= row.created_at]


def status(row: Row, joined: Mapping[str, int], cursors: Mapping[str, Cursor]) -> State:
    """A message's status: the lowest over everyone it is for."""
    return lowest(cursors.get(member, Cursor()).state(row.seq) for member in recipients(row, joined))


class History:
    """Reads for those who may see; whoever calls has checked that."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def page(
        self, conversation_id: str, *, after_seq: int | None, before_seq: int | None, limit: int, messages_only: bool
    ) -> list[Seen]:
        """Rows in rising seq (see `Store.history`), filled from their targets."""
        rows = await self._store.history(
            conversation_id, after_seq=after_seq, before_seq=before_seq, limit=limit, messages_only=messages_only
        )
        return await seen(self._store, rows)

    async def statuses(self, conversation_id: str, rows: Sequence[Row]) -> list[State]:
        """The status of each row."""
        joined = (await self._directory.joined([conversation_id]))[conversation_id]
        cursors = (await self._store.cursors([conversation_id])).get(conversation_id, {})
        return [status(row, joined, cursors) for row in rows]

    async def recipients(self, row: Row) -> list[Recipient]:
        """Everyone a message is for, and how far it got with each."""
        joined = (await self._directory.joined([row.conversation_id]))[row.conversation_id]
        cursors = (await self._store.cursors([row.conversation_id])).get(row.conversation_id, {})
        reached = await self._store.reached(row.conversation_id, row.seq)
        return [
            Recipient(member, cursors.get(member, Cursor()).state(row.seq), reached.get(member, Reached()))
            for member in recipients(row, joined)
        ]

    async def timeline(self, row: Row) -> list[Event]:
        """Everything that happened to a message, oldest first."""
        stored = await self._store.timeline(row.message_id)
        events = [Event(entry.at, entry.what, entry.who, entry.detail) for entry in stored]
        for user, reached in (await self._store.reached(row.conversation_id, row.seq)).items():
            if user == row.sender_id:
                continue
            if reached.delivered_at is not None:
                events.append(Event(reached.delivered_at, "delivered", user, "app"))
            if reached.read_at is not None:
                events.append(Event(reached.read_at, "read", user, "app"))
        return sorted(events, key=lambda event: event.at)
