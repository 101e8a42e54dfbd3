"""Until when a provider makes a whole connector wait, and not just a chat of it."""

import time
from collections.abc import Callable
from typing import Final

_FORGET_SECONDS: Final = 30.0  # after the end of a wait; whoever has not tried again by then has gone to another pod
_OWN: Final = ""  # calls of the connector's own, which are about no chat


class Throttling:
    """The provider makes the connector wait while it has told that to at least half of the chats that have something
    waiting, each when it was last tried, or to a call of the connector's own, such as a poll.

    A single throttled chat does not count while others flow; it does where nothing else waits. Half, not all: chats
    that have only just got something to send have not been tried yet, and a provider that takes some and refuses the
    rest is throttling all the same. The end that is known may be past, when what waited is tried again and not yet
    answered: the wait is over when something is let through. `clock`: seconds since 1970.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._ends: dict[str, float] = {}

    def told_to_wait(self, seconds: float, chat: str = _OWN) -> None:
        """The provider has refused something for so long: of this chat, or a call of the connector's own."""
        self._ends[chat] = self._clock() + seconds

    def let_through(self, chat: str = _OWN) -> None:
        """Something else was answered."""
        self._ends.pop(chat, None)

    def until(self, waiting: int) -> float | None:
        """Return the end of the wait, or None if there is none. `waiting`: chats that have something to send."""
        now = self._clock()
        for chat in [chat for chat, end in self._ends.items() if end + _FORGET_SECONDS < now]:
            del self._ends[chat]
        if _OWN not in self._ends and not 0 < waiting <= 2 * len(self._ends):
            return None
        return max(self._ends.values())
