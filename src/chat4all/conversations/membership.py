"""Who may see and touch a conversation. SQL is the truth; a "yes" may be remembered for a moment, a "no" never."""

import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from chat4all.directory.port import Directory
from chat4all.model.errors import Refusal

_REMEMBERED_SECONDS: Final = 5.0  # invariant 9
_MAX_REMEMBERED: Final = 50_000


class Membership:
    """Checks who is a member, and remembers who is. `clock`: seconds that never go back."""

    def __init__(self, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._until: LRUCache[tuple[str, str], float] = LRUCache(_MAX_REMEMBERED)  # when a "yes" is forgotten

    async def check(self, conversation_id: str, username: str) -> None:
        """Check that a user is a member. Raises Refusal not-found otherwise: that the conversation exists is
        private."""
        place, now = (conversation_id, username), self._clock()  # from before the answer on, however late it comes
        if self._until.get(place, 0.0) > now:
            return
        if not await self._directory.is_member(conversation_id, username):
            raise Refusal("not-found", "There is no such conversation, or you are not in it.")
        self._until[place] = now + _REMEMBERED_SECONDS

    def forget(self, conversation_id: str) -> None:
        """Forget who is in this conversation, because this process has changed its members: ask the directory again."""
        for place in [place for place in self._until if place[0] == conversation_id]:
            del self._until[place]
