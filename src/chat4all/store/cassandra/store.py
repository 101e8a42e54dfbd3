"""The store on Cassandra, whose timestamps are positions."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from cassandra.query import UNSET_VALUE

from chat4all.model.delivery import Cursor
from chat4all.model.engines import Description
from chat4all.model.rows import Change, CursorWrite, Head, IndexEntry, KeyedAnswer, ReceiptTimes, Row, TimelineEntry
from chat4all.store import encoding
from chat4all.store.cassandra import schema
from chat4all.store.cassandra.session import CassandraSession
from chat4all.store.cassandra.statements import ANSWERED_SECONDS, BUCKET_ROWS, STORE, values
from chat4all.store.columns import HEADS, INDEX, MESSAGES, RECEIPTS, TIMELINE
from chat4all.store.settings import CassandraSettings

_MAX_FIRST_RECEIPTS: Final = 200  # from a seq on; the earliest in time is among them, as they come nearly in order
_COUNT_PAGE_ROWS: Final = 200  # of a conversation, in one query

Put = tuple[str, Sequence[object]]


class CassandraStore:
    """The store keeps its tables in a keyspace of Cassandra. Implements `Store`.

    `clock`: seconds since 1970, only for how long Idempotency-Keys are remembered.
    """

    def __init__(self, settings: CassandraSettings, *, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._session = CassandraSession(settings, {**STORE, **schema.STATEMENTS}, purpose="store")
        self._clock = clock

    async def open(self) -> None:
        """Do nothing: the store connects when it is first used."""

    async def migrate(self) -> str:
        applied = await schema.migrated(self._settings)
        return ", ".join(applied) or "up to date"

    async def check(self) -> None:
        """Raise EngineUnavailableError also where a table is missing."""
        await schema.check("store", self._session)

    async def describe(self) -> Description:
        return Description(f"Cassandra {await self._session.release()}")

    async def close(self) -> None:
        """Disconnect from the nodes of the cluster."""
        await self._session.close()

    def stamp(self, position: int) -> int:
        """Return the timestamp of a router's write: the record's position, never the time of day."""
        return position

    async def put_rows(
        self, rows: Sequence[Row], changes: Sequence[Change], entries: Sequence[TimelineEntry] = ()
    ) -> None:
        partitions: dict[tuple[str, int], list[Put]] = defaultdict(list)
        for row in rows:
            partitions[_partition(row)].append(self._message(row, encoding.row_values(row)))
        for change in changes:
            partitions[_partition(change)].append(self._message(change, encoding.change_values(change)))
        # A message's index entry and timeline have the same key: together they are one write on a node, not two.
        messages = self._timeline_puts(entries)
        for row in rows:
            messages[row.message_id].append(self._index(row))
        await self._session.write([*partitions.values(), *messages.values()])

    async def put_heads(self, heads: Sequence[Head]) -> None:
        def put(head: Head) -> Put:
            given = encoding.head_values(head)
            return "put_head", values(HEADS, [head.conversation_id], given, UNSET_VALUE, self.stamp(head.position))

        await self._session.write([put(head)] for head in heads)

    async def put_timeline(self, entries: Sequence[TimelineEntry]) -> None:
        await self._session.write(self._timeline_puts(entries).values())

    async def put_cursors(self, writes: Sequence[CursorWrite]) -> None:
        moved: list[list[Put]] = []
        cursors: dict[str, list[Put]] = defaultdict(list)
        for write in writes:
            for what, seq in (("delivered", write.cursor.delivered_seq), ("read", write.cursor.read_seq)):
                if seq:
                    place = (write.conversation_id, write.user_id)
                    key = (*place, what, seq, write.position)
                    given = {"moved_at": write.at}
                    stamp = self.stamp(write.position)
                    moved.append([("put_receipt", values(RECEIPTS, key, given, UNSET_VALUE, stamp))])
                    cursors[write.conversation_id].append((f"put_{what}", (seq, seq, *place)))
        await self._session.write(moved)
        await self._session.write(cursors.values())

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        answers = await self._session.run_all("head", [(one,) for one in set(conversation_ids)])
        return {row[0]: encoding.head_of(*row) for rows in answers for row in rows}

    async def index(self, message_ids: Collection[str]) -> dict[str, IndexEntry]:
        answers = await self._session.run_all("index", [(one,) for one in set(message_ids)])
        return {row[0]: IndexEntry(*row) for rows in answers for row in rows}

    async def rows(self, keys: Collection[tuple[str, int]]) -> dict[tuple[str, int], Row]:
        wanted: dict[tuple[str, int], set[int]] = defaultdict(set)
        for conversation_id, seq in keys:
            wanted[conversation_id, seq // BUCKET_ROWS].add(seq)
        answers = await self._session.run_all("rows", [(*place, list(seqs)) for place, seqs in wanted.items()])
        return {(row.conversation_id, row.seq): row for rows in answers for row in _rows(rows)}

    async def history(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
        messages_only: bool = False,
    ) -> list[Row]:
        head = (await self.heads([conversation_id])).get(conversation_id)
        low = 0 if after_seq is None else max(0, after_seq)
        high = (head.last_seq if head else 0) + 1
        high = high if before_seq is None else min(high, before_seq)
        history: list[Row] = []
        while len(history) < limit and low + 1 < high:
            rising = after_seq is not None
            bucket = (low + 1 if rising else high - 1) // BUCKET_ROWS
            query = "first_rows" if rising else "last_rows"
            page = limit - len(history)
            rows = await self._session.run(query, conversation_id, bucket, low, high, page)
            history += [row for row in _rows(rows) if not messages_only or row.kind == "message"]
            # Go on from the last row of a full page, else from the bucket's end.
            if rising:
                low = int(rows[-1][1]) if len(rows) == page else min(high - 1, (bucket + 1) * BUCKET_ROWS - 1)
            else:
                high = int(rows[-1][1]) if len(rows) == page else max(low + 1, bucket * BUCKET_ROWS)
        return history if after_seq is not None else history[::-1]

    async def unread(self, user_id: str, read: Mapping[str, int], *, limit: int) -> dict[str, int]:
        heads = await self.heads(read)
        lasts = {one: head.last_seq for one, head in heads.items()}
        counts = await asyncio.gather(
            *(self._unread(user_id, one, seq, lasts.get(one, 0), limit) for one, seq in read.items())
        )
        return dict(zip(read, counts, strict=True))

    async def cursors(self, conversation_ids: Collection[str]) -> dict[str, dict[str, Cursor]]:
        answers = await self._session.run_all("cursors", [(one,) for one in set(conversation_ids)])
        cursors: dict[str, dict[str, Cursor]] = {}
        for conversation_id, user_id, delivered, read in (row for rows in answers for row in rows):
            cursors.setdefault(conversation_id, {})[user_id] = Cursor().advanced(delivered or 0, read or 0)
        return cursors

    async def reached(self, conversation_id: str, seq: int) -> dict[str, ReceiptTimes]:
        users = (await self.cursors([conversation_id])).get(conversation_id, {})
        places = [(user, what) for user, cursor in users.items() for what in _passed(cursor, seq)]
        values_of_each = [(conversation_id, user, what, seq, _MAX_FIRST_RECEIPTS) for user, what in places]
        answers = await self._session.run_all("receipts", values_of_each)
        times: dict[str, dict[str, int]] = defaultdict(dict)
        for (user, what), rows in zip(places, answers, strict=True):
            if rows:
                times[user][f"{what}_at"] = min(at for (at,) in rows)
        return {user: ReceiptTimes(**at) for user, at in times.items()}

    async def timeline(self, message_id: str) -> list[TimelineEntry]:
        rows = await self._session.run("timeline", message_id)
        entries = [TimelineEntry(message_id, at, what, who, detail, pos) for _, at, _, what, who, detail, pos in rows]
        return sorted(entries, key=lambda entry: (entry.at, entry.position))

    async def answered(self, sender: str, key: str) -> KeyedAnswer | None:
        rows = await self._session.run("answered", sender, key)
        return KeyedAnswer(*rows[0][:2]) if rows and rows[0][2] > self._clock() else None

    async def put_answered(self, sender: str, key: str, answered: KeyedAnswer) -> None:
        until = int(self._clock()) + ANSWERED_SECONDS
        await self._session.run("put_answered", sender, key, answered.request_hash, answered.message_id, until)

    def _message(self, one: Row | Change, given: Mapping[str, object]) -> Put:
        key = (one.seq // BUCKET_ROWS, one.conversation_id, one.seq)
        return "put_message", values(MESSAGES, key, given, UNSET_VALUE, self.stamp(one.position))

    def _timeline_puts(self, entries: Sequence[TimelineEntry]) -> dict[str, list[Put]]:
        """Return the writes of timeline entries, by message."""
        messages: dict[str, list[Put]] = defaultdict(list)
        for entry in entries:
            key = (entry.message_id, entry.at, encoding.timeline_id(entry))
            given = {name: getattr(entry, name) for name in TIMELINE.columns}
            put = "put_timeline", values(TIMELINE, key, given, UNSET_VALUE, self.stamp(entry.position))
            messages[entry.message_id].append(put)
        return messages

    def _index(self, row: Row) -> Put:
        given = {"conversation_id": row.conversation_id, "seq": row.seq, "position": row.position}
        return "put_index", values(INDEX, [row.message_id], given, UNSET_VALUE, self.stamp(row.position))

    async def _unread(self, user_id: str, conversation_id: str, seq: int, last: int, limit: int) -> int:
        count = 0
        while count < limit and seq < last:
            bucket = (seq + 1) // BUCKET_ROWS
            rows = await self._session.run("said", conversation_id, bucket, seq, last + 1, _COUNT_PAGE_ROWS)
            count += sum(_by_another(user_id, *one) for _, *one in rows)
            seq = int(rows[-1][0]) if len(rows) == _COUNT_PAGE_ROWS else min(last, (bucket + 1) * BUCKET_ROWS - 1)
        return min(count, limit)


def _partition(one: Row | Change) -> tuple[str, int]:
    return one.conversation_id, one.seq // BUCKET_ROWS


def _rows(rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Return the rows that have a kind: an edit may have been written before the message that it edits."""
    return [encoding.row_of(*one) for one in rows if one[2] is not None]


def _by_another(user_id: str, kind: str | None, sender_id: str | None, deleted_at: int | None) -> bool:
    return kind == "message" and sender_id != user_id and deleted_at is None


def _passed(cursor: Cursor, seq: int) -> list[str]:
    reached = {"delivered": cursor.delivered_seq, "read": cursor.read_seq}
    return [what for what, at in reached.items() if at >= seq]
