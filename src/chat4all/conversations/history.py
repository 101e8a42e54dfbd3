"""Reads back: pages of a conversation, the status of its messages, the timeline of one."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.conversations.outcomes import Recipient, recipient
from chat4all.directory.port import Directory
from chat4all.model import frames
from chat4all.model.delivery import Cursor, State, lowest
from chat4all.model.outbound import Delivery
from chat4all.model.rows import ReceiptTimes, Row
from chat4all.store.ledger import Ledger
from chat4all.store.port import Store


class Seen(msgspec.Struct, frozen=True):
    """Holds a row as it stands now, and with an edit or a delete the row that it changed."""

    row: Row
    target: Row | None = None

    def frame(self) -> frames.Frame:
        """Return the frame that a WebSocket gets for this row."""
        return frames.of_row(self.row, self.target)


class Event(msgspec.Struct, frozen=True):
    """Holds one line of a message's timeline. `at`: ms."""

    at: int
    what: str
    who: str
    detail: str = ""


async def seen(store: Store, rows: Sequence[Row]) -> list[Seen]:
    """Return the rows with the targets of edits and deletes; one read gets all that are not among the rows."""
    by_place = {(row.conversation_id, row.seq): row for row in rows}
    missing = {(row.conversation_id, row.target_seq) for row in rows if row.target_seq is not None} - by_place.keys()
    targets = by_place | (await store.rows(missing) if missing else {})
    return [
        Seen(row, targets.get((row.conversation_id, row.target_seq)) if row.target_seq is not None else None)
        for row in rows
    ]


def recipients(row: Row, joined: Mapping[str, int]) -> list[str]:
    """Return everyone a message is for: the members when it was sent. Later members do not make it unread again.

    `joined`: when each member came in, ms.
    """
    return [member for member, at in joined.items() if member != row.sender_id and at <= row.created_at]


class History:
    """Reads conversations. It checks no rights: whoever calls has done so. Methods raise EngineUnavailableError."""

    def __init__(self, store: Store, ledger: Ledger, directory: Directory) -> None:
        self._store = store
        self._ledger = ledger
        self._directory = directory

    async def page(
        self, conversation_id: str, *, after_seq: int | None, before_seq: int | None, limit: int, messages_only: bool
    ) -> list[Seen]:
        """Return rows in rising seq (see `Store.history`), with the targets of edits and deletes."""
        rows = await self._store.history(
            conversation_id, after_seq=after_seq, before_seq=before_seq, limit=limit, messages_only=messages_only
        )
        return await seen(self._store, rows)

    async def statuses(self, conversation_id: str, rows: Sequence[Row]) -> list[State]:
        """Return the status of each row: the lowest over everyone it is for, taking each one's best way."""
        joined = (await self._directory.joined([conversation_id]))[conversation_id]
        cursors = (await self._store.cursors([conversation_id])).get(conversation_id, {})
        message_ids = [row.message_id for row in rows if row.kind == "message"]
        deliveries = await self._ledger.deliveries(message_ids)
        return [
            lowest(one.state for one in _outcomes(row, joined, cursors, {}, deliveries.get(row.message_id, ())))
            for row in rows
        ]

    async def recipients(self, row: Row) -> list[Recipient]:
        """Return everyone a message is for, and how far it got with each."""
        joined = (await self._directory.joined([row.conversation_id]))[row.conversation_id]
        cursors = (await self._store.cursors([row.conversation_id])).get(row.conversation_id, {})
        reached = await self._store.reached(row.conversation_id, row.seq)
        deliveries = (await self._ledger.deliveries([row.message_id])).get(row.message_id, ())
        return _outcomes(row, joined, cursors, reached, deliveries)

    async def timeline(self, row: Row) -> list[Event]:
        """Return everything that happened to a message, oldest first."""
        stored = await self._store.timeline(row.message_id)
        # A connector that was killed reports again what it had reported: the first entry has the time when it happened.
        first = {(entry.what, entry.who, entry.detail): entry.at for entry in reversed(stored)}
        events = [Event(at, what, who, detail) for (what, who, detail), at in first.items()]
        for user, reached in (await self._store.reached(row.conversation_id, row.seq)).items():
            if user == row.sender_id:
                continue
            if reached.delivered_at is not None:
                events.append(Event(reached.delivered_at, "delivered", user, "app"))
            if reached.read_at is not None:
                events.append(Event(reached.read_at, "read", user, "app"))
        return sorted(events, key=lambda event: (event.at, event.what != "accepted"))  # what follows may be as early


def _outcomes(
    row: Row,
    joined: Mapping[str, int],
    cursors: Mapping[str, Cursor],
    reached: Mapping[str, ReceiptTimes],
    deliveries: Sequence[Delivery],
) -> list[Recipient]:
    by_recipient: dict[str, list[Delivery]] = {}
    for one in deliveries:
        by_recipient.setdefault(one.key.recipient, []).append(one)
    return [
        recipient(row, name, cursors.get(name, Cursor()), reached.get(name, ReceiptTimes()), by_recipient.get(name, ()))
        for name in recipients(row, joined)
    ]
