"""Receipts of one session, gathered: at most one record per conversation and interval reaches the log."""

import time
from collections.abc import Awaitable, Callable, Mapping

from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError

Send = Callable[[Mapping[str, Cursor]], Awaitable[None]]


class Receipts:
    """`send` takes the cursors that moved; where it fails they are kept for the next time."""

    def __init__(self, send: Send, every: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._every = every
        self._clock = clock
        self._known: dict[str, Cursor] = {}
        self._pending: dict[str, Cursor] = {}
        self._sent_at = float("-inf")

    @property
    def due(self) -> float:
        """When to call `flush`, on the clock; infinity if nothing waits."""
        return self._sent_at + self._every if self._pending else float("inf")

    def note(self, conversation_id: str, *, delivered_seq: int = 0, read_seq: int = 0) -> None:
        """The client has acknowledged or read up to here."""
        old = self._known.get(conversation_id, Cursor())
        new = old.advanced(delivered_seq, read_seq)
        if new != old:
            self._known[conversation_id] = self._pending[conversation_id] = new

    async def flush(self) -> None:
        """Send what waits."""
        if not self._pending:
            return
        self._sent_at = self._clock()
        pending, self._pending = self._pending, {}
        sent = False
        try:
            await self._send(pending)
            sent = True
        except EngineUnavailableError:
            pass  # they wait for the next time
        finally:
            if not sent:  # also when the session is ended in the middle
                self._pending = pending | self._pending
