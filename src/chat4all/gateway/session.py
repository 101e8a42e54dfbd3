"""One WebSocket. One task takes everything that happens to it in turn, so order needs no lock.

What arrives, pushes and the client's own frames alike, goes through one bounded queue. A push with the next seq is
sent on; one that was shown already is dropped; a jump means that something was missed, and the store is read. While
nothing waits in the queue, which is nearly always, a push with the next seq goes straight to the connection.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import msgspec

from chat4all.accounts.tokens import Identity
from chat4all.gateway import speech
from chat4all.gateway.inbox import HeadMoved, Inbox, Item, News, Said
from chat4all.gateway.receipts import Receipts
from chat4all.gateway.services import Connection, SessionServices
from chat4all.gateway.shown import Shown
from chat4all.model import frames, ids
from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.model.rates import Rate
from chat4all.model.rows import iso
from chat4all.realtime.port import Push

UNAUTHENTICATED: Final = 4401
TRY_AGAIN: Final = 1013
GOING_AWAY: Final = 1012

_RESUME_WAIT: Final = 30.0  # seconds for a resume that was announced
_BEGINS: Final = 30.0  # seconds for the reads that a session begins with, its turn among others included
_RESUMES: Final = Rate(0.5, 10)
_TYPING: Final = Rate(0.5, 1)


class CloseError(Exception):
    """The session ends, with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Session:
    """From the handshake to the close. It is answered once it is known what has been said before: what comes from then
    on, the client is shown."""

    def __init__(
        self, identity: Identity, connection: Connection, services: SessionServices, *, resumes: bool = False
    ) -> None:
        """`resumes`: the client has said that it will; then nothing is shown before, however long that takes."""
        self.id = ids.new_id()
        self.identity = identity
        self._resumes = resumes
        self._grace = _RESUME_WAIT if resumes else services.settings.resume_grace_seconds
        self._connection = connection
        self._services = services
        self._inbox = Inbox(connection, services.settings.queue)
        self._shown = Shown(identity.username, connection, services)
        self._opened = asyncio.Event()
        self._opening: Said | None = None
        self._at_hand: Item | None = None
        self._task: asyncio.Task[None] | None = None
        self._close: Exception | None = None
        self._expires_at = time.monotonic() + identity.expires - time.time()
        self._warn_at = self._expires_at - services.settings.warn_seconds
        self._receipts = Receipts(self._send_receipts, services.settings.receipt_seconds)

    @property
    def username(self) -> str:
        return self.identity.username

    def shown(self, conversation_id: str) -> int:
        """The highest seq that this client was sent, or had before."""
        return self._shown.up_to(conversation_id)

    def push(self, push: Push, data: bytes) -> bool:
        """A push for this client, its frame made by `wire`. True where it went straight to the connection."""
        straight = self._inbox.idle and self._connection.writable
        if straight and push.seq is not None:
            follows = self._shown.next(push.conversation_id, push.seq)
            if follows is False:
                return False
            straight = follows is True
        if straight:
            self._connection.write(data)
        else:
            self.offer((push, data))
        return straight

    def offer(self, news: News) -> None:
        """Something for this client, in its turn. A session that is too far behind is closed and may resume."""
        if self._close is None and not self._inbox.tell(news):
            self._services.metrics.cut_off.inc()
            self.end(TRY_AGAIN, "you read too slowly: reconnect and resume")

    def hear(self, frame: str) -> None:
        """A frame of the client's."""
        if self._close is not None:
            return
        try:
            said: Said = speech.decode(frame)
        except msgspec.DecodeError as error:
            said = f"This frame was not understood: {error}"
        if self._opened.is_set():
            self._inbox.hear(said)
        else:
            self._opening = said
            self._opened.set()

    def end(self, code: int, reason: str) -> None:
        """Close the session from outside."""
        self._end(CloseError(code, reason))

    def leave(self) -> None:
        """This server goes away. All clients hear it at once, and are not to come back at once."""
        self.end(GOING_AWAY, "this server goes away: reconnect at a random moment within 5 s, and resume")

    def gone(self) -> None:
        """The client has gone."""
        self._end(ConnectionError("the client has gone"))

    async def run(self) -> None:
        """Serve the client until it is closed. Always raises: CloseError, ConnectionError, EngineUnavailableError."""
        if self._close is not None:
            raise self._close
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        try:
            why = await self._pump()
        except asyncio.CancelledError:
            if (told := self._why()) is None:
                raise
            why = told
        finally:
            self._task = None
            if self._why() is not None:
                task.uncancel()  # it was `_end` that asked for it
            self.gone()  # what comes from now on is nobody's
        raise why

    async def finish(self) -> None:
        """After the end: what the client acknowledged last, heard and not looked at yet, is not lost."""
        for said in (self._opening, self._at_hand, *self._inbox.left()):
            if isinstance(said, speech.Ack | speech.Read) and said.seq <= self.shown(said.conversation_id):
                read = said.seq if isinstance(said, speech.Read) else 0
                self._receipts.note(said.conversation_id, delivered_seq=said.seq, read_seq=read)
        await self._receipts.flush()

    def _why(self) -> Exception | None:
        """Why it is to end; another method may have said so while this one waited, which mypy would not think of."""
        return self._close

    def _end(self, why: Exception) -> None:
        if self._close is not None:
            return
        self._close = why
        if self._task is not None:
            self._task.cancel()

    async def _pump(self) -> Exception:
        """Serve the client; why it ends, where that is not raised."""
        if not self._resumes:  # else the resume says where to start
            await self._begin()
        self._connection.accept()
        await self._open()
        while (why := self._why()) is None:  # a library may have taken the cancellation by `_end` for its own
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
        return why

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
        self._shown.live = True

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(_BEGINS):
                await self._shown.begin()
        except TimeoutError:
            raise CloseError(TRY_AGAIN, "too many begin at once: reconnect in a moment") from None

    async def _next(self) -> Item | None:
        """The next thing to do, in order; None when it is time for something."""
        timeout = min(self._receipts.due, self._warn_at, self._expires_at) - time.monotonic()
        return await self._inbox.next(timeout) if timeout > 0 else None

    async def _on_time(self) -> None:
        now = time.monotonic()
        if now >= self._expires_at:
            raise CloseError(UNAUTHENTICATED, "the token has expired")
        if now >= self._warn_at:
            self._warn_at = float("inf")
            await self._shown.say({"type": "token_expiring", "expires_at": iso(self.identity.expires * 1000)})
        if now >= self._receipts.due:
            await self._receipts.flush()

    async def _on_push(self, push: Push, data: bytes) -> None:
        follows = True if push.seq is None else self._shown.next(push.conversation_id, push.seq)
        if follows is None:
            self._services.metrics.refetches.labels("gap").inc()
            await self._shown.catch_up(push.conversation_id)
        elif follows:
            await self._shown.send(data)

    async def _on_head(self, moved: HeadMoved) -> None:
        if moved.last_seq > self.shown(moved.conversation_id):
            self._services.metrics.refetches.labels("sweep").inc()
            await self._shown.catch_up(moved.conversation_id)

    async def _on_said(self, said: Said) -> None:
        if isinstance(said, str):
            await self._shown.say(frames.error(said, code="malformed"))
            return
        try:
            await self._on_speech(said)
        except Refusal as refusal:
            await self._shown.say(frames.error(refusal.detail, code=refusal.code))
        except EngineUnavailableError as error:
            if isinstance(said, speech.Resume):
                raise
            await self._shown.say(frames.error(str(error), code="unavailable"))

    async def _on_speech(self, said: speech.Speech) -> None:
        match said:
            case speech.Resume():
                await self._check(f"resume:{self.id}", _RESUMES)
                await self._shown.resume(said.cursors)
            case speech.Ack():
                await self._on_cursor(said.conversation_id, said.seq, delivered_seq=said.seq)
            case speech.Read():
                await self._on_cursor(said.conversation_id, said.seq, read_seq=said.seq)
            case speech.Typing():
                await self._on_typing(said.conversation_id)
            case speech.Ping():
                await self._shown.say({"type": "pong"})

    async def _on_cursor(self, conversation_id: str, seq: int, *, delivered_seq: int = 0, read_seq: int = 0) -> None:
        await self._services.membership.check(conversation_id, self.username)
        if seq > self.shown(conversation_id):
            head = (await self._services.store.heads([conversation_id])).get(conversation_id)
            if head is None or seq > head.last_seq:
                raise Refusal("invalid", f"There is no seq {seq} in this conversation.")
        self._receipts.note(conversation_id, delivered_seq=delivered_seq, read_seq=read_seq)

    async def _on_typing(self, conversation_id: str) -> None:
        await self._services.membership.check(conversation_id, self.username)
        if await self._services.limits.take(f"typing:{self.id}:{conversation_id}", _TYPING):
            return
        members = (await self._services.directory.members([conversation_id]))[conversation_id]
        others = [member for member in members if member != self.username]
        frame = {"type": "typing", "conversation_id": conversation_id, "user_id": self.username}
        await self._services.presence.tell(others, frame)

    async def _check(self, name: str, rate: Rate) -> None:
        if wait := await self._services.limits.take(name, rate):
            raise Refusal("too-many", "Too many of these.", retry_after=wait)

    async def _send_receipts(self, cursors: Mapping[str, Cursor]) -> None:
        await self._services.acceptance.receive(self.username, cursors)
