"""Who may see and touch a conversation. SQL is the truth; a "yes" may be remembered for a moment, a "no" never."""

import time
from collections.abc import Callable
from typing import Final

from cachetools import TTLCache

from chat4all.directory.port import Directory
from chat4all.model.errors import Refusal

_REMEMBERED_SECONDS: Final = 5.0  # invariant 9
_MAX_REMEMBERED: Final = 50_000


class Membership:
    """Checks who is a member, and remembers who is. `clock`: seconds that never go back."""

    def __init__(self, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        # Conversations and users who are in them.
        self._members: TTLCache[tuple[str, str], None] = TTLCache(_MAX_REMEMBERED, _REMEMBERED_SECONDS, timer=clock)

    async def check(self, conversation_id: str, username: str) -> None:
        """Check that a user is a member. Raises Refusal not-found otherwise: that the conversation exists is
        private."""
        if (conversation_id, username) in self._members:
            return
        if not await self._directory.is_member(conversation_id, username):
            raise Refusal("not-found", "There is no such conversation, or you are not in it.")
        self._members[conversation_id, username] = None

    def forget(self, conversation_id: str) -> None:
        """Forget who is in this conversation, because this process has changed its members: ask the directory again."""
        for place in [place for place in self._members if place[0] == conversation_id]:
            self._members.pop(place, None)
