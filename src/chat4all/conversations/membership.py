"""Who may see and touch a conversation. SQL is the truth; a "yes" may be remembered for a moment, a "no" never."""

import time
from collections.abc import Callable
from typing import Final

from chat4all.directory.port import Directory
from chat4all.model.errors import Refusal

_REMEMBERED: Final = 5.0  # seconds (invariant 9)
_HELD: Final = 50_000


class Membership:
    """`clock`: seconds that never go back."""

    def __init__(self, directory: Directory, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._yes: dict[tuple[str, str], float] = {}

    async def check(self, conversation_id: str, username: str) -> None:
        """Raises Refusal not-found for whoever is not a member: that it exists is private."""
        now = self._clock()
        if self._yes.get((conversation_id, username), 0.0) > now:
            return
        if not await self._directory.is_member(conversation_id, username):
            raise Refusal("not-found", "There is no such conversation, or you are not in it.")
        if len(self._yes) >= _HELD:
            self._yes.clear()
        self._yes[conversation_id, username] = now + _REMEMBERED

    def forget(self, conversation_id: str) -> None:
        """The conversation's members changed through this process: no need to wait out the moment."""
        for place in [place for place in self._yes if place[0] == conversation_id]:
            del self._yes[place]
