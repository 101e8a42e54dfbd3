"""Acceptance: whoever gets an answer from here has their record in the log. Nothing is stored for a refusal."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from chat4all.conversations.idempotency import Idempotency, Keyed, KeyedRequest
from chat4all.conversations.membership import Membership
from chat4all.log.port import CONVERSATIONS, Entry, Log
from chat4all.model import ids, records
from chat4all.model.delivery import Cursor
from chat4all.model.errors import Refusal, invalid
from chat4all.model.rows import Row
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics

STORED_WITHIN_SECONDS = 1.0  # after that a message that was accepted can be expected in the store


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a message to be accepted, its form already checked. `reply_to`: a message's id."""

    conversation_id: str
    content: str
    channels: tuple[str, ...] = ("all",)
    reply_to: str | None = None


class Accepted(msgspec.Struct, frozen=True):
    """Holds the id of what was accepted. `replayed`: it had been accepted before, and nothing was appended now."""

    message_id: str
    replayed: bool = False


def message_not_found() -> Refusal:
    """Return the refusal for a message that does not exist, is somebody else's, or is not stored yet."""
    return Refusal(
        "message-not-found", "There is no such message, or you may not see it.", retry_after=STORED_WITHIN_SECONDS
    )


class Acceptance:
    """Puts what people do into the log. Raises Refusal, and EngineUnavailableError with the outcome unknown."""

    def __init__(self, *, log: Log, store: Store, membership: Membership, metrics: Metrics) -> None:
        self._log = log
        self._store = store
        self._membership = membership
        self._idempotency = Idempotency(store)
        self._metrics = metrics

    async def post(self, asked: KeyedRequest, new: NewMessage) -> Accepted:
        """Accept a message. A `reply_to` must be a stored message of the conversation."""
        await self._membership.check(new.conversation_id, asked.sender)
        keyed = self._idempotency.of(asked)
        if (before := await self._recall(keyed)) is not None:
            return before
        if new.reply_to is not None:
            await self._check_reply(new.conversation_id, new.reply_to)
        message = records.Message(
            id=asked.id,
            conversation_id=new.conversation_id,
            sender_id=asked.sender,
            keyed=asked.key is not None,
            content=new.content,
            channels=new.channels,
            reply_to=new.reply_to,
        )
        return await self._accept(keyed, message)

    async def edit(self, asked: KeyedRequest, message_id: str, content: str) -> Accepted:
        """Accept new content for a message of the sender's. The id that is returned is the edit's own."""
        return await self._change(asked, message_id, content)

    async def delete(self, asked: KeyedRequest, message_id: str) -> Accepted:
        """Accept that the sender takes a message of theirs back. The id that is returned is the delete's own."""
        return await self._change(asked, message_id, None)

    async def retry(self, asked: KeyedRequest, row: Row, *, possible: bool) -> Accepted:
        """Accept that what failed of this message is sent again. `possible`: whether anything of it has failed."""
        keyed = self._idempotency.of(asked)
        if (before := await self._recall(keyed)) is not None:
            return before
        if row.deleted_at is not None:
            raise Refusal("deleted", "The message was deleted.")
        if not possible:
            raise Refusal("conflict", "Nothing of this message has failed that could be sent again.")
        return await self._accept(
            keyed,
            records.Retry(
                id=asked.id, conversation_id=row.conversation_id, message_id=row.message_id, user_id=asked.sender
            ),
        )

    async def receive(self, username: str, cursors: Mapping[str, Cursor]) -> None:
        """Accept how far a user is in these conversations, of which they were a member moments ago."""
        receipts: Sequence[records.Receipt] = [
            records.Receipt(
                id=ids.new_id(),
                conversation_id=conversation_id,
                user_id=username,
                delivered_seq=cursor.delivered_seq,
                read_seq=cursor.read_seq,
            )
            for conversation_id, cursor in cursors.items()
        ]
        await self._append(receipts)

    async def own_row(self, message_id: str, username: str) -> Row:
        """Return the row of a message that this user may see. Raises Refusal message-not-found."""
        entry = (await self._store.index([message_id])).get(message_id)
        if entry is None:
            raise message_not_found()
        try:
            await self._membership.check(entry.conversation_id, username)
        except Refusal as error:
            raise message_not_found() from error
        page = await self._store.history(entry.conversation_id, after_seq=entry.seq - 1, limit=1)
        if not page or page[0].message_id != message_id or page[0].kind != "message":
            raise message_not_found()
        return page[0]

    async def _change(self, asked: KeyedRequest, message_id: str, content: str | None) -> Accepted:
        row = await self.own_row(message_id, asked.sender)
        keyed = self._idempotency.of(asked)
        if (before := await self._recall(keyed)) is not None:
            return before
        if row.sender_id != asked.sender:
            raise Refusal("forbidden", "Only its sender may change a message.")
        if row.deleted_at is not None:
            # The process may have died between the append and the key: then the id of what it appended is known.
            if asked.key is not None and await self._store.index([asked.id]):
                return Accepted(asked.id, replayed=True)
            raise Refusal("deleted", "The message was deleted.")
        place = {
            "id": asked.id,
            "conversation_id": row.conversation_id,
            "sender_id": asked.sender,
            "keyed": asked.key is not None,
            "target_id": message_id,
        }
        record = records.Delete(**place) if content is None else records.Edit(**place, content=content)  # type: ignore[arg-type] # mypy sees one value type
        return await self._accept(keyed, record)

    async def _recall(self, keyed: Keyed) -> Accepted | None:
        before = await keyed.recall()
        if before is None:
            return None
        self._metrics.idempotent_replays.inc()
        return Accepted(before, replayed=True)

    async def _check_reply(self, conversation_id: str, reply_to: str) -> None:
        entry = (await self._store.index([reply_to])).get(reply_to)
        is_here = entry is not None and entry.conversation_id == conversation_id
        page = await self._store.history(conversation_id, after_seq=entry.seq - 1, limit=1) if is_here and entry else []
        if not page or page[0].kind != "message" or page[0].deleted_at is not None:
            refusal = invalid("reply_to", "There is no such message in this conversation, or not yet.")
            refusal.retry_after = STORED_WITHIN_SECONDS
            raise refusal

    async def _accept(self, keyed: Keyed, record: records.AnyRecord) -> Accepted:
        await self._append([record])
        await keyed.remember(record.id)
        return Accepted(record.id)

    async def _append(self, accepted: Collection[records.AnyRecord]) -> None:
        entries = [Entry(CONVERSATIONS, record.conversation_id.encode(), records.encode(record)) for record in accepted]
        await self._log.append(entries)
        for record in accepted:
            self._metrics.accepted.labels(str(record.__struct_config__.tag)).inc()
