"""The protocol that a provider's folder implements for the process."""

from collections.abc import Awaitable
from typing import Protocol

from fastapi import APIRouter

from chat4all_simulator.http.exchange import Answer, Request
from chat4all_simulator.journal import Entry


class Provider(Protocol):
    """One wire format. `name` is its folder's; `control` holds what people and tests do, under /control/<name>."""

    name: str
    control: APIRouter

    def serves(self, target: bytes) -> bool:
        """Return whether the path of `target` is one of this provider's."""
        ...

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Return the answer to a request, or an awaitable of it where something has to be waited for."""
        ...

    def replay(self, entry: Entry) -> None:
        """Take over what an entry of the log tells of this provider."""
        ...

    def start(self) -> None:
        """Go on after the replay with what was under way. Raises JournalError if a file does not fit the log."""
        ...

    async def stop(self) -> None:
        """Cancel the tasks that the provider has begun, and wait for their end."""
        ...
