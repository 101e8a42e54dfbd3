"""What waits for one session, in the order in which it came: pushes, and what its client said."""

import asyncio
import collections
from collections.abc import Iterable
from typing import Final

import msgspec

from chat4all.gateway import speech
from chat4all.gateway.services import Connection
from chat4all.realtime.port import Push

_UNHEARD: Final = 64  # frames of the client's that may wait; then no more are read from it


class HeadMoved(msgspec.Struct, frozen=True):
    """A comparison with the store found this head."""

    conversation_id: str
    last_seq: int


Said = speech.Speech | str  # what a client said; a string: why it was not understood
News = tuple[Push, bytes] | HeadMoved
Item = News | Said


class Inbox:
    """`idle`: its session waits, and nothing waits for it. `most`: news that may wait."""

    def __init__(self, connection: Connection, most: int) -> None:
        self.idle = False
        self._connection = connection
        self._most = most
        self._items: collections.deque[Item] = collections.deque()
        self._news = 0
        self._unheard = 0
        self._stirred = asyncio.Event()

    def tell(self, news: News) -> bool:
        """Something for the client. False where too much waits already."""
        if self._news >= self._most:
            return False
        self._news += 1
        self._put(news)
        return True

    def hear(self, said: Said) -> None:
        """Something of the client's. While much of that waits, no more is read: the client waits too."""
        self._unheard += 1
        if self._unheard == _UNHEARD:
            self._connection.pause()
        self._put(said)

    async def next(self, timeout: float) -> Item | None:
        """The next thing to do; None after so many seconds without one."""
        if not self._items:
            self._stirred.clear()
            self.idle = True
            try:
                async with asyncio.timeout(timeout):
                    await self._stirred.wait()
            except TimeoutError:
                return None
            finally:
                self.idle = False
        return self._take()

    def left(self) -> Iterable[Item]:
        """What nobody has looked at."""
        return tuple(self._items)

    def _put(self, item: Item) -> None:
        self._items.append(item)
        self.idle = False
        self._stirred.set()

    def _take(self) -> Item:
        item = self._items.popleft()
        if isinstance(item, tuple | HeadMoved):
            self._news -= 1
            return item
        self._unheard -= 1
        if self._unheard == 0:
            self._connection.listen()
        return item
