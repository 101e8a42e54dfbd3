"""What one client was shown of each conversation, and how it is shown what it lacks."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from chat4all.conversations import history
from chat4all.conversations.history import Seen
from chat4all.gateway.connection import wire
from chat4all.gateway.services import ClientConnection, SessionServices
from chat4all.model import frames
from chat4all.model.errors import EngineUnavailableError, Refusal

_PAGE_ROWS: Final = 200
_WRITE_BYTES: Final = 32 * 1024  # about so many go into one write


class Shown:
    """Sends frames to one client and keeps, per conversation, up to which seq it was shown.

    `live`: pushes are shown as they come, after the seqs at which the conversations stood when the session began.
    Methods that send raise ConnectionError, those that read EngineUnavailableError too.
    """

    def __init__(self, username: str, connection: ClientConnection, services: SessionServices) -> None:
        self.live = False
        self._username = username
        self._connection = connection
        self._services = services
        self._seqs: dict[str, int] = {}
        self._baseline: dict[str, int] = {}

    def up_to(self, conversation_id: str) -> int:
        """Return the highest seq that this client was sent, or had before."""
        return self._seqs.get(conversation_id, 0)

    def next(self, conversation_id: str, seq: int) -> bool | None:
        """Return True if `seq` is the next one, which counts as shown from now on, False if it was shown before, and
        None if something is missing before it."""
        shown = self._seqs.get(conversation_id, 0)
        if seq == shown + 1:
            self._seqs[conversation_id] = seq
            return True
        return False if seq <= shown else None

    async def say(self, frame: frames.Frame) -> None:
        """Send a frame that has no place in a conversation's order."""
        await self.send(self._wire(frame))

    async def send(self, data: bytes, count: int = 1) -> None:
        """Send `count` frames, which `wire` made; wait while the client reads too slowly."""
        if not self._connection.writable:
            await self._connection.drain()
        self._services.metrics.pushes.inc(count)
        self._connection.write(data)

    async def begin(self) -> None:
        """Read the heads of all conversations: live pushes start after them."""
        async with self._services.reads:
            self._seqs = await self._heads()
        self._baseline = dict(self._seqs)

    async def catch_up(self, conversation_id: str) -> None:
        """Show everything after what was shown, up to the head."""
        head = (await self._services.store.heads([conversation_id])).get(conversation_id)
        try:
            await self._services.membership.check(conversation_id, self._username)
        except Refusal:
            return
        await self._show(conversation_id, head.last_seq if head else 0)

    async def resume(self, cursors: dict[str, int]) -> None:
        """Replay what the client lacks of each conversation of its user, then say how that went.

        A resume that comes after the session went live is given what lies before that: late, but once.
        """
        async with self._services.reads:
            heads = await self._heads()
        result = {id_: await self._replay(id_, head, cursors.get(id_, 0)) for id_, head in heads.items()}
        self._baseline = {}
        async with self._services.reads:
            receipts = await self._services.store.cursors(list(heads))
        recovered = all(one["recovered"] for one in result.values())
        await self.say({"type": "resume", "recovered": recovered, "conversations": result, "cursors": receipts})

    async def _heads(self) -> dict[str, int]:
        """Return the last seq of every conversation of this user."""
        ids = (await self._services.directory.conversations_of([self._username]))[self._username]
        heads = await self._services.store.heads(ids)
        return {id_: heads[id_].last_seq if id_ in heads else 0 for id_ in ids}

    async def _replay(self, conversation_id: str, head: int, cursor: int) -> dict[str, Any]:
        end = min(head, self._baseline.get(conversation_id, 0)) if self.live else head
        start = min(cursor, end)
        shown = self.up_to(conversation_id)
        self._seqs[conversation_id] = start
        recovered = await self._show(conversation_id, end)
        self._seqs[conversation_id] = max(shown if self.live else 0, self.up_to(conversation_id))
        self._services.metrics.resumes.labels(str(recovered).lower()).inc()
        return {"recovered": recovered, "from": start, "to": end}

    async def _show(self, conversation_id: str, last: int) -> bool:
        """Show everything after what was shown, up to this seq; False where that is too much to be pushed."""
        first = self.up_to(conversation_id)
        if last - first > self._services.settings.replay_limit:
            self._seqs[conversation_id] = last
            await self.say({"type": "resync", "conversation_id": conversation_id, "from": first, "to": last})
            return False
        while self.up_to(conversation_id) < last:
            for piece in _pieces(await self._page(conversation_id, last)):
                data = [self._wire(seen.frame()) for seen in piece]
                self._seqs[conversation_id] = piece[-1].row.seq
                await self.send(b"".join(data), len(data))
        return True

    async def _page(self, conversation_id: str, last: int) -> list[Seen]:
        after = self.up_to(conversation_id)
        limit = min(_PAGE_ROWS, last - after)
        async with self._services.reads:
            rows = await self._services.store.history(conversation_id, after_seq=after, limit=limit)
            if not rows:
                raise EngineUnavailableError("store", "rows below a head are missing")
            return await history.seen(self._services.store, rows)

    def _wire(self, frame: frames.Frame) -> bytes:
        return wire(frames.addressed(frames.encode(frame), self._username))


def _pieces(page: Sequence[Seen]) -> Iterator[Sequence[Seen]]:
    """Divide a page into pieces that are one write each: a system call costs more than a frame."""
    piece: list[Seen] = []
    size = 0
    for seen in page:
        piece.append(seen)
        size += len(seen.row.content) + (len(seen.target.content) if seen.target else 0) + 300
        if size >= _WRITE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
