"""One WebSocket. One task takes everything that happens to it in turn, so order needs no lock.

What arrives, pushes and the client's own frames alike, goes through one bounded queue. A push with the next seq is
sent on; one that was shown already is dropped; a jump means that something was missed, and the store is read. While
nothing waits in the queue, which is nearly always, a push with the next seq goes straight to the connection.
"""

import asyncio
import collections
import dataclasses
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from chat4all.accounts.tokens import Identity
from chat4all.conversations import history
from chat4all.conversations.acceptance import Acceptance
from chat4all.conversations.membership import Membership
from chat4all.conversations.presence import Presence
from chat4all.directory.port import Directory
from chat4all.gateway import speech
from chat4all.gateway.connection import wire
from chat4all.gateway.receipts import Receipts
from chat4all.gateway.settings import GatewaySettings
from chat4all.limits.port import Limits, Rate
from chat4all.model import frames, ids
from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.model.rows import iso
from chat4all.realtime.port import Push
from chat4all.store.port import Store
from chat4all.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

UNAUTHENTICATED: Final = 4401
TRY_AGAIN: Final = 1013
GOING_AWAY: Final = 1012

_PAGE: Final = 200
_PIECE: Final = 32 * 1024  # bytes that are written at once
_RESUME_WAIT: Final = 30.0  # seconds for a resume that was announced
_READS: Final = 32  # sessions of a gateway that read at once
_UNHEARD: Final = 64  # frames of the client's that may wait; then no more are read from it
_RESUMES: Final = Rate(0.5, 10)
_TYPING: Final = Rate(0.5, 1)


class Connection(Protocol):
    """What a session needs of the connection under it (gateway/connection.py)."""

    writable: bool

    def write(self, data: bytes) -> None:
        """Hand over a frame made by `wire`."""
        ...

    async def drain(self) -> None:
        """Wait until it is writable. Raises ConnectionError when it is gone."""
        ...

    def pause(self) -> None:
        """Read nothing more from the client for now."""
        ...

    def listen(self) -> None:
        """Go on reading."""
        ...


class CloseError(Exception):
    """The session ends, with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class HeadMoved(msgspec.Struct, frozen=True):
    """A comparison with the store found this head."""

    conversation_id: str
    last_seq: int


Said = speech.Speech | str  # what a client said; a string: why it was not understood
Item = tuple[Push, bytes] | HeadMoved | Said


@dataclasses.dataclass(frozen=True, slots=True)
class Ports:
    """What every session of a gateway works with."""

    store: Store
    directory: Directory
    limits: Limits
    membership: Membership
    presence: Presence
    acceptance: Acceptance
    metrics: Metrics
    settings: GatewaySettings
    reads: asyncio.Semaphore = dataclasses.field(default_factory=lambda: asyncio.Semaphore(_READS))
    """Held while a session reads what it begins with: when thousands come back at once, engines are not flooded."""


class Session:
    """From the accepted handshake to the close."""

    def __init__(self, identity: Identity, connection: Connection, ports: Ports, *, resumes: bool = False) -> None:
        """`resumes`: the client has said that it will; then nothing is shown before, however long that takes."""
        self.id = ids.new_id()
        self._resumes = resumes
        self._grace = _RESUME_WAIT if resumes else ports.settings.resume_grace_seconds
        self.identity = identity
        self._connection = connection
        self._ports = ports
        self._inbox: collections.deque[Item] = collections.deque()
        self._behind = 0  # pushes in the inbox
        self._unheard = 0  # of the client's own frames in the inbox
        self._stirred = asyncio.Event()
        self._idle = False  # live, and waiting with an empty inbox
        self._opened = asyncio.Event()
        self._opening: Said | None = None
        self._task: asyncio.Task[None] | None = None
        self._close: Exception | None = None
        self._shown: dict[str, int] = {}
        self._baseline: dict[str, int] = {}
        self._live = False
        self._at_hand: Item | None = None
        self._expires_at = time.monotonic() + identity.expires - time.time()
        self._warn_at = self._expires_at - ports.settings.warn_seconds
        self._receipts = Receipts(self._send_receipts, ports.settings.receipt_seconds)

    @property
    def username(self) -> str:
        return self.identity.username

    def shown(self, conversation_id: str) -> int:
        """The highest seq that this client was sent, or had before."""
        return self._shown.get(conversation_id, 0)

    def push(self, push: Push, data: bytes) -> bool:
        """A push for this client, its frame made by `wire`. True where it went straight to the connection."""
        if not (self._idle and self._connection.writable):
            self.offer((push, data))
            return False
        if push.seq is not None:
            shown = self._shown.get(push.conversation_id, 0)
            if push.seq <= shown:
                return False
            if push.seq > shown + 1:
                self.offer((push, data))
                return False
            self._shown[push.conversation_id] = push.seq
        self._connection.write(data)
        return True

    def offer(self, item: tuple[Push, bytes] | HeadMoved) -> None:
        """Something for this client, in its turn. A session that is too far behind is closed and may resume."""
        if self._close is not None:
            return
        if self._behind >= self._ports.settings.queue:
            self._ports.metrics.cut_off.inc()
            self.end(TRY_AGAIN, "you read too slowly: reconnect and resume")
            return
        self._behind += 1
        self._put(item)

    def hear(self, frame: str) -> None:
        """A frame of the client's. While many of them wait, no more are read: the client waits too."""
        try:
            said: Said = speech.decode(frame)
        except msgspec.DecodeError as error:
            said = f"This frame was not understood: {error}"
        if not self._opened.is_set():
            self._opening = said
            self._opened.set()
            return
        self._unheard += 1
        if self._unheard == _UNHEARD:
            self._connection.pause()
        self._put(said)

    def end(self, code: int, reason: str) -> None:
        """Close the session from outside."""
        self._end(CloseError(code, reason))

    def leave(self) -> None:
        """This server goes away."""
        self.end(GOING_AWAY, "this server goes away: reconnect and resume")

    def gone(self) -> None:
        """The client has gone."""
        self._end(ConnectionError("the client has gone"))

    async def run(self) -> None:
        """Serve the client until it is closed. Always raises: CloseError, ConnectionError, EngineUnavailableError."""
        if (why := self._why()) is not None:
            raise why
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        try:
            await self._pump()
        except asyncio.CancelledError:
            if (why := self._why()) is None:
                raise
            task.uncancel()  # it was `_end` that asked for it
            raise why from None
        finally:
            self._task = None
            self._idle = False

    def _why(self) -> Exception | None:
        """Why it is to end; another method may have said so while this one waited, which mypy would not think of."""
        return self._close

    def _end(self, why: Exception) -> None:
        if self._close is not None:
            return
        self._close = why
        if self._task is not None:
            self._task.cancel()

    def _put(self, item: Item) -> None:
        self._inbox.append(item)
        self._idle = False
        self._stirred.set()

    async def finish(self) -> None:
        """After the end: what the client acknowledged last, heard and not looked at yet, is not lost."""
        left = [self._opening, self._at_hand, *self._inbox]
        for said in left:
            if isinstance(said, speech.Ack | speech.Read) and said.seq <= self.shown(said.conversation_id):
                read = said.seq if isinstance(said, speech.Read) else 0
                self._receipts.note(said.conversation_id, delivered_seq=said.seq, read_seq=read)
        await self._receipts.flush()

    async def _pump(self) -> None:
        if not self._resumes:  # else the resume says where to start
            await self._begin()
        await self._open()
        while True:
            self._at_hand = None
            self._at_hand = item = await self._next()
            if item is None:
                await self._on_time()
            elif isinstance(item, tuple):
                await self._on_push(*item)
            elif isinstance(item, HeadMoved):
                await self._on_head(item)
            else:
                await self._on_said(item)

    async def _begin(self) -> None:
        """Where everything stands now is where live pushes start, unless the client resumes from earlier."""
        async with self._ports.reads:
            self._shown = await self._heads()
        self._baseline = dict(self._shown)

    async def _heads(self) -> dict[str, int]:
        """Every conversation of this user, with its last seq."""
        mine = (await self._ports.directory.conversations_of([self.username]))[self.username]
        heads = await self._ports.store.heads(mine)
        return {id_: heads[id_].last_seq if id_ in heads else 0 for id_ in mine}

    async def _open(self) -> None:
        """Hold pushes back for a moment: the client's first frame may resume from before them."""
        try:
            async with asyncio.timeout(self._grace):
                await self._opened.wait()
        except TimeoutError:
            if self._resumes:
                raise CloseError(TRY_AGAIN, "the resume that was announced did not come") from None
            self._opened.set()
        if self._resumes and not isinstance(self._opening, speech.Resume):
            await self._begin()
        if self._opening is not None:
            await self._on_said(self._opening)
        self._live = True

    async def _next(self) -> Item | None:
        """The next thing to do, in order; None when it is time for something."""
        timeout = min(self._receipts.due, self._warn_at, self._expires_at) - time.monotonic()
        if timeout <= 0:
            return None
        if not self._inbox:
            self._stirred.clear()
            self._idle = True
            try:
                async with asyncio.timeout(timeout):
                    await self._stirred.wait()
            except TimeoutError:
                return None
            finally:
                self._idle = False
        return self._taken(self._inbox.popleft())

    def _taken(self, item: Item) -> Item:
        if isinstance(item, tuple | HeadMoved):
            self._behind -= 1
        else:
            self._unheard -= 1
            if self._unheard == 0:
                self._connection.listen()
        return item

    async def _on_time(self) -> None:
        now = time.monotonic()
        if now >= self._expires_at:
            raise CloseError(UNAUTHENTICATED, "the token has expired")
        if now >= self._warn_at:
            self._warn_at = float("inf")
            await self._say({"type": "token_expiring", "expires_at": iso(self.identity.expires * 1000)})
        if now >= self._receipts.due:
            await self._receipts.flush()

    async def _on_push(self, push: Push, frame: bytes) -> None:
        if push.seq is None:
            await self._send(frame)
            return
        shown = self.shown(push.conversation_id)
        if push.seq <= shown:
            return
        if push.seq > shown + 1:
            self._ports.metrics.refetches.labels("gap").inc()
            await self._catch_up(push.conversation_id)
        else:
            self._shown[push.conversation_id] = push.seq
            await self._send(frame)

    async def _on_head(self, moved: HeadMoved) -> None:
        if moved.last_seq > self.shown(moved.conversation_id):
            self._ports.metrics.refetches.labels("sweep").inc()
            await self._catch_up(moved.conversation_id)

    async def _catch_up(self, conversation_id: str) -> None:
        """Show everything after what was shown, up to the head."""
        head = (await self._ports.store.heads([conversation_id])).get(conversation_id)
        try:
            await self._ports.membership.check(conversation_id, self.username)
        except Refusal:
            return
        await self._show_up_to(conversation_id, head.last_seq if head else 0)

    async def _show_up_to(self, conversation_id: str, last: int) -> bool:
        """Show everything after what was shown, up to this seq; False where that is too much to be pushed."""
        first = self.shown(conversation_id)
        if last - first > self._ports.settings.replay_limit:
            self._shown[conversation_id] = last
            await self._say({"type": "resync", "conversation_id": conversation_id, "from": first, "to": last})
            return False
        while self.shown(conversation_id) < last:
            await self._show_page(conversation_id, last)
        return True

    async def _show_page(self, conversation_id: str, last: int) -> None:
        after = self.shown(conversation_id)
        limit = min(_PAGE, last - after)
        async with self._ports.reads:
            rows = await self._ports.store.history(conversation_id, after_seq=after, limit=limit)
            if not rows:
                raise EngineUnavailableError("store", "it lost rows below a head")
            page = await history.seen(self._ports.store, rows)
        frames_of_page = [self._wired(seen.frame()) for seen in page]
        for piece in _pieces(frames_of_page):
            await self._send(b"".join(piece), len(piece))
        self._shown[conversation_id] = page[-1].row.seq

    async def _on_said(self, said: Said) -> None:
        if isinstance(said, str):
            await self._say(frames.error(said, code="malformed"))
            return
        try:
            await self._on_speech(said)
        except Refusal as refusal:
            await self._say(frames.error(refusal.detail, code=refusal.code))
        except EngineUnavailableError as error:
            if isinstance(said, speech.Resume):
                raise
            await self._say(frames.error(str(error), code="unavailable"))

    async def _on_speech(self, said: speech.Speech) -> None:
        match said:
            case speech.Resume():
                await self._check(f"resume:{self.id}", _RESUMES)
                await self._resume(said)
            case speech.Ack():
                await self._on_cursor(said.conversation_id, said.seq, delivered_seq=said.seq)
            case speech.Read():
                await self._on_cursor(said.conversation_id, said.seq, read_seq=said.seq)
            case speech.Typing():
                await self._on_typing(said.conversation_id)
            case speech.Ping():
                await self._say({"type": "pong"})

    async def _resume(self, said: speech.Resume) -> None:
        """Replay what the client lacks of each conversation of its user, then say how that went.

        A resume that comes after the session went live is given what lies before that: late, but once.
        """
        async with self._ports.reads:
            heads = await self._heads()
        result = {}
        for conversation_id, head in heads.items():
            end = min(head, self._baseline.get(conversation_id, 0)) if self._live else head
            start = min(said.cursors.get(conversation_id, 0), end)
            now_at = self.shown(conversation_id)
            self._shown[conversation_id] = start
            recovered = await self._show_up_to(conversation_id, end)
            self._shown[conversation_id] = max(now_at if self._live else 0, self.shown(conversation_id))
            self._ports.metrics.resumes.labels(str(recovered).lower()).inc()
            result[conversation_id] = {"recovered": recovered, "from": start, "to": end}
        async with self._ports.reads:
            cursors = await self._ports.store.cursors(list(heads))
        self._baseline = {}
        await self._say(
            {
                "type": "resume",
                "recovered": all(one["recovered"] for one in result.values()),
                "conversations": result,
                "cursors": cursors,
            }
        )

    async def _on_cursor(self, conversation_id: str, seq: int, *, delivered_seq: int = 0, read_seq: int = 0) -> None:
        await self._ports.membership.check(conversation_id, self.username)
        if seq > self.shown(conversation_id):
            head = (await self._ports.store.heads([conversation_id])).get(conversation_id)
            if head is None or seq > head.last_seq:
                raise Refusal("invalid", f"There is no seq {seq} in this conversation.")
        self._receipts.note(conversation_id, delivered_seq=delivered_seq, read_seq=read_seq)

    async def _on_typing(self, conversation_id: str) -> None:
        await self._ports.membership.check(conversation_id, self.username)
        if await self._ports.limits.take(f"typing:{self.id}:{conversation_id}", _TYPING):
            return
        members = (await self._ports.directory.members([conversation_id]))[conversation_id]
        others = [member for member in members if member != self.username]
        frame = {"type": "typing", "conversation_id": conversation_id, "user_id": self.username}
        await self._ports.presence.tell(others, frame)

    async def _check(self, name: str, rate: Rate) -> None:
        if wait := await self._ports.limits.take(name, rate):
            raise Refusal("too-many", "Too many of these.", retry_after=wait)

    async def _send_receipts(self, cursors: Mapping[str, Cursor]) -> None:
        await self._ports.acceptance.receive(self.username, cursors)

    async def _say(self, frame: frames.Frame) -> None:
        await self._send(self._wired(frame))

    def _wired(self, frame: frames.Frame) -> bytes:
        return wire(frames.addressed(frames.encode(frame), self.username))

    async def _send(self, data: bytes, count: int = 1) -> None:
        if not self._connection.writable:
            await self._connection.drain()
        self._ports.metrics.pushes.inc(count)
        self._connection.write(data)


def _pieces(page: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """A page of frames in pieces of which each is one write: a system call per frame costs more than the frame."""
    piece: list[bytes] = []
    size = 0
    for frame in page:
        piece.append(frame)
        size += len(frame)
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
