"""What waits for one session, in the order in which it came: pushes, and what its client said."""

import asyncio
import collections
from collections.abc import Iterable
from typing import Final

import msgspec

from chat4all.gateway import speech
from chat4all.gateway.services import ClientConnection
from chat4all.realtime.port import Push

_MAX_UNHEARD_FRAMES: Final = 64  # then no more are read from the client


class HeadMoved(msgspec.Struct, frozen=True):
    """Says that the store has this head, so that the session reads what its client was not shown."""

    conversation_id: str
    last_seq: int


Said = speech.Speech | str  # what a client said; a string: why it was not understood
News = tuple[Push, bytes] | HeadMoved
Item = News | Said


class Inbox:
    """Keeps what waits for a session, with a bound. `idle`: the session waits, and nothing waits for it.

    `max_news`: how many pushes and heads may wait.
    """

    def __init__(self, connection: ClientConnection, max_news: int) -> None:
        self.idle = False
        self._connection = connection
        self._max_news = max_news
        self._items: collections.deque[Item] = collections.deque()
        self._waiting_news = 0
        self._unheard_frames = 0
        self._arrival = asyncio.Event()

    def tell(self, news: News) -> bool:
        """Add something for the client; False, and it is not added, where too much waits already."""
        if self._waiting_news >= self._max_news:
            return False
        self._waiting_news += 1
        self._put(news)
        return True

    def hear(self, client_frame: Said) -> None:
        """Add what the client said. While much of that waits, no more is read from it, so the client waits too."""
        self._unheard_frames += 1
        if self._unheard_frames == _MAX_UNHEARD_FRAMES:
            self._connection.pause()
        self._put(client_frame)

    async def next(self, timeout: float) -> Item | None:
        """Return the next item, or None after `timeout` seconds without one."""
        if not self._items:
            self._arrival.clear()
            self.idle = True
            try:
                async with asyncio.timeout(timeout):
                    await self._arrival.wait()
            except TimeoutError:
                return None
            finally:
                self.idle = False
        return self._take()

    def left(self) -> Iterable[Item]:
        """Return the items that nobody has taken."""
        return tuple(self._items)

    def _put(self, item: Item) -> None:
        self._items.append(item)
        self.idle = False
        self._arrival.set()

    def _take(self) -> Item:
        item = self._items.popleft()
        if isinstance(item, tuple | HeadMoved):
            self._waiting_news -= 1
            return item
        self._unheard_frames -= 1
        if self._unheard_frames == 0:
            self._connection.listen()
        return item
