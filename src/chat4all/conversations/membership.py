"""Who may see and touch a conversation. SQL is the truth; a "yes" may be remembered for a moment, a "no" never."""

import time
from collections.abc import Callable
from typing import Final

from chat4all.directory.port import Directory
from chat4all.model.errors import Refusal

_REMEMBERED_SECONDS: Final = 5.0  # invariant 9
_MAX_REMEMBERED: Final = 50_000


class Membership:
    """Checks who is a member, and remembers who is. `clock`: seconds that never go back."""

    def __init__(self, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._remembered_until: dict[tuple[str, str], float] = {}

    async def check(self, conversation_id: str, username: str) -> None:
        """Check that a user is a member. Raises Refusal not-found otherwise: that the conversation exists is
        private."""
        now = self._clock()
        if self._remembered_until.get((conversation_id, username), 0.0) > now:
            return
        if not await self._directory.is_member(conversation_id, username):
            raise Refusal("not-found", "There is no such conversation, or you are not in it.")
        if len(self._remembered_until) >= _MAX_REMEMBERED:
            self._remembered_until.clear()
        self._remembered_until[conversation_id, username] = now + _REMEMBERED_SECONDS

    def forget(self, conversation_id: str) -> None:
        """Forget who is in this conversation, because this process has changed its members: ask the directory again."""
        for place in [place for place in self._remembered_until if place[0] == conversation_id]:
            del self._remembered_until[place]
