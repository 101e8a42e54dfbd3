"""The session of one WebSocket. One task takes everything that happens to it in turn, so order needs no lock.

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
from chat4all.gateway.services import ClientConnection, SessionServices
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

_RESUME_WAIT_SECONDS: Final = 30.0  # for a resume that was announced
_BEGIN_TIMEOUT_SECONDS: Final = 30.0  # for the reads that a session begins with, waiting for its turn included
_RESUME_RATE: Final = Rate(0.5, 10)
_TYPING_RATE: Final = Rate(0.5, 1)


class CloseError(Exception):
    """Ends the session with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Session:
    """Serves one client from the handshake to the close. The handshake is answered once the heads are read, for the
    client is shown every record after them; at once where a resume is announced, which says itself where to start."""

    def __init__(
        self, identity: Identity, connection: ClientConnection, services: SessionServices, *, resumes: bool = False
    ) -> None:
        """`resumes`: the client has announced a resume; nothing is shown before it comes."""
        self.id = ids.new_id()
        self.identity = identity
        self._resumes = resumes
        self._grace = _RESUME_WAIT_SECONDS if resumes else services.settings.resume_grace_seconds
        self._connection = connection
        self._services = services
        self._inbox = Inbox(connection, services.settings.queue)
        self._shown = Shown(identity.username, connection, services)
        self._opened = asyncio.Event()
        self._first_frame: Said | None = None
        self._current: Item | None = None
        self._task: asyncio.Task[None] | None = None
        self._cause: Exception | None = None
        self._expires_at = time.monotonic() + identity.expires - time.time()
        self._warn_at = self._expires_at - services.settings.warn_seconds
        self._receipts = Receipts(self._send_receipts, services.settings.receipt_seconds)

    @property
    def username(self) -> str:
        return self.identity.username

    def shown(self, conversation_id: str) -> int:
        """Return the highest seq that this client was sent, or had before."""
        return self._shown.up_to(conversation_id)

    def push(self, push: Push, data: bytes) -> bool:
        """Show the client a push, whose frame `wire` made; True where it went straight to the connection."""
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
        """Queue something for this client. A session that is too far behind is closed, and its client may resume."""
        if self._cause is None and not self._inbox.tell(news):
            self._services.metrics.cut_off.inc()
            self.end(TRY_AGAIN, "you read too slowly: reconnect and resume")

    def hear(self, frame: str) -> None:
        """Take in a frame that the client sent."""
        if self._cause is not None:
            return
        try:
            client_frame: Said = speech.decode(frame)
        except msgspec.DecodeError as error:
            client_frame = f"This frame was not understood: {error}"
        if self._opened.is_set():
            self._inbox.hear(client_frame)
        else:
            self._first_frame = client_frame
            self._opened.set()

    def end(self, code: int, reason: str) -> None:
        """Close the session with this close code and reason, whatever it waits for."""
        self._end(CloseError(code, reason))

    def leave(self) -> None:
        """Close the session because this server goes away. All clients hear it, and must not return at once."""
        self.end(GOING_AWAY, "this server goes away: reconnect at a random moment within 5 s, and resume")

    def gone(self) -> None:
        """End the session because the client has gone."""
        self._end(ConnectionError("the client has gone"))

    async def run(self) -> None:
        """Serve the client until it is closed. Always raises: CloseError, ConnectionError, EngineUnavailableError."""
        if self._cause is not None:
            raise self._cause
        self._task = task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        try:
            cause = await self._pump()
        except asyncio.CancelledError:
            if (end_cause := self._end_cause()) is None:
                raise
            cause = end_cause
        finally:
            self._task = None
            if self._end_cause() is not None:
                task.uncancel()  # it was `_end` that cancelled it
            self.gone()  # from now on nothing is taken in
        raise cause

    async def finish(self) -> None:
        """Send the last receipts, after the end: those in frames that were heard and not handled yet, too."""
        for item in (self._first_frame, self._current, *self._inbox.left()):
            if isinstance(item, speech.Ack | speech.Read) and item.seq <= self.shown(item.conversation_id):
                read_seq = item.seq if isinstance(item, speech.Read) else 0
                self._receipts.note(item.conversation_id, delivered_seq=item.seq, read_seq=read_seq)
        await self._receipts.flush()

    def _end_cause(self) -> Exception | None:
        """Return why the session is to end, if it is. A call, because mypy would not expect the attribute to change."""
        return self._cause

    def _end(self, cause: Exception) -> None:
        if self._cause is not None:
            return
        self._cause = cause
        if self._task is not None:
            self._task.cancel()

    async def _pump(self) -> Exception:
        """Serve the client; return why the session ends, where that is not raised."""
        if not self._resumes:  # else the resume says where to start
            await self._begin()
        self._connection.accept()
        await self._open()
        while (cause := self._end_cause()) is None:  # a library may have taken the cancellation by `_end` for its own
            self._current = None
            self._current = item = await self._next()
            if item is None:
                await self._on_time()
            elif isinstance(item, tuple):
                await self._on_push(*item)
            elif isinstance(item, HeadMoved):
                await self._on_head(item)
            else:
                await self._on_client_frame(item)
        return cause

    async def _open(self) -> None:
        """Hold pushes back for a moment: the client's first frame may resume from before them."""
        try:
            async with asyncio.timeout(self._grace):
                await self._opened.wait()
        except TimeoutError:
            if self._resumes:
                raise CloseError(TRY_AGAIN, "the resume that was announced did not come") from None
            self._opened.set()
        if self._resumes and not isinstance(self._first_frame, speech.Resume):
            await self._begin()
        if self._first_frame is not None:
            await self._on_client_frame(self._first_frame)
        self._shown.live = True

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(_BEGIN_TIMEOUT_SECONDS):
                await self._shown.begin()
        except TimeoutError:
            raise CloseError(TRY_AGAIN, "too many connect at once: reconnect in a moment") from None

    async def _next(self) -> Item | None:
        """Return the next item, in order, or None when a receipt, a warning or the end of the token is due."""
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

    async def _on_client_frame(self, client_frame: Said) -> None:
        if isinstance(client_frame, str):
            await self._shown.say(frames.error(client_frame, code="malformed"))
            return
        try:
            await self._on_speech(client_frame)
        except Refusal as refusal:
            await self._shown.say(frames.error(refusal.detail, code=refusal.code))
        except EngineUnavailableError as error:
            if isinstance(client_frame, speech.Resume):
                raise
            await self._shown.say(frames.error(str(error), code="unavailable"))

    async def _on_speech(self, client_frame: speech.Speech) -> None:
        match client_frame:
            case speech.Resume():
                await self._check(f"resume:{self.id}", _RESUME_RATE)
                await self._shown.resume(client_frame.cursors)
            case speech.Ack():
                await self._on_cursor(client_frame.conversation_id, client_frame.seq, delivered_seq=client_frame.seq)
            case speech.Read():
                await self._on_cursor(client_frame.conversation_id, client_frame.seq, read_seq=client_frame.seq)
            case speech.Typing():
                await self._on_typing(client_frame.conversation_id)
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
        if await self._services.limits.take(f"typing:{self.id}:{conversation_id}", _TYPING_RATE):
            return
        members = (await self._services.directory.members([conversation_id]))[conversation_id]
        others = [member for member in members if member != self.username]
        frame = {"type": "typing", "conversation_id": conversation_id, "user_id": self.username}
        await self._services.presence.tell(others, frame)

    async def _check(self, name: str, rate: Rate) -> None:
        if wait := await self._services.limits.take(name, rate):
            raise Refusal("too-many", "You send these frames too often.", retry_after=wait)

    async def _send_receipts(self, cursors: Mapping[str, Cursor]) -> None:
        await self._services.acceptance.receive(self.username, cursors)
