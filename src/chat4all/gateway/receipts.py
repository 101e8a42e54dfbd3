"""Receipts of one session, gathered: at most one record per conversation and interval reaches the log."""

import time
from collections.abc import Awaitable, Callable, Mapping

from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError

OnFlush = Callable[[Mapping[str, Cursor]], Awaitable[None]]


class Receipts:
    """Gathers cursors. `on_flush` gets those that moved, at most once per `interval` (s); where it fails, they are kept
    for the next time."""

    def __init__(self, on_flush: OnFlush, interval: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._on_flush = on_flush
        self._interval = interval
        self._clock = clock
        self._known: dict[str, Cursor] = {}
        self._pending: dict[str, Cursor] = {}
        self._sent_at = float("-inf")

    @property
    def due(self) -> float:
        """The time on the clock at which to call `flush`; it is infinity if nothing waits."""
        return self._sent_at + self._interval if self._pending else float("inf")

    def note(self, conversation_id: str, *, delivered_seq: int = 0, read_seq: int = 0) -> None:
        """Note that the client has received or read the conversation up to these seqs."""
        old = self._known.get(conversation_id, Cursor())
        new = old.advanced(delivered_seq, read_seq)
        if new != old:
            self._known[conversation_id] = self._pending[conversation_id] = new

    async def flush(self) -> None:
        """Hand the waiting cursors to `on_flush`. An engine that is unavailable is not an error: they wait on."""
        if not self._pending:
            return
        self._sent_at = self._clock()
        pending, self._pending = self._pending, {}
        sent = False
        try:
            await self._on_flush(pending)
            sent = True
        except EngineUnavailableError:
            pass  # they wait for the next time
        finally:
            if not sent:  # also when the session is ended in the middle
                self._pending = pending | self._pending
