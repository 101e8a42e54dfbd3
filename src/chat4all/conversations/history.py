"""Reading back: pages of a conversation, what a message's status is, where it has been."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.conversations.outcomes import Recipient, recipient
from chat4all.directory.port import Directory
from chat4all.model import frames
from chat4all.model.delivery import Cursor, State, lowest
from chat4all.model.outbound import Delivery
from chat4all.model.rows import Reached, Row
from chat4all.store.ledger import Ledger
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


class History:
    """Reads for those who may see; whoever calls has checked that."""

    def __init__(self, store: Store, ledger: Ledger, directory: Directory) -> None:
        self._store = store
        self._ledger = ledger
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
        """The status of each row: the lowest over everyone it is for, taking each one's best way."""
        joined = (await self._directory.joined([conversation_id]))[conversation_id]
        cursors = (await self._store.cursors([conversation_id])).get(conversation_id, {})
        said = [row.message_id for row in rows if row.kind == "message"]
        deliveries = await self._ledger.deliveries(said)
        return [
            lowest(one.state for one in _outcomes(row, joined, cursors, {}, deliveries.get(row.message_id, ())))
            for row in rows
        ]

    async def recipients(self, row: Row) -> list[Recipient]:
        """Everyone a message is for, and how far it got with each."""
        joined = (await self._directory.joined([row.conversation_id]))[row.conversation_id]
        cursors = (await self._store.cursors([row.conversation_id])).get(row.conversation_id, {})
        reached = await self._store.reached(row.conversation_id, row.seq)
        deliveries = (await self._ledger.deliveries([row.message_id])).get(row.message_id, ())
        return _outcomes(row, joined, cursors, reached, deliveries)

    async def timeline(self, row: Row) -> list[Event]:
        """Everything that happened to a message, oldest first."""
        stored = await self._store.timeline(row.message_id)
        # A connector tells again what it told before it was killed: the first time is when it happened.
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
    reached: Mapping[str, Reached],
    deliveries: Sequence[Delivery],
) -> list[Recipient]:
    made: dict[str, list[Delivery]] = {}
    for one in deliveries:
        made.setdefault(one.key.recipient, []).append(one)
    return [
        recipient(row, name, cursors.get(name, Cursor()), reached.get(name, Reached()), made.get(name, ()))
        for name in recipients(row, joined)
    ]
