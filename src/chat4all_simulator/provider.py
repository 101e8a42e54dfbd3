"""What a provider's folder gives to the process."""

from collections.abc import Awaitable
from typing import Protocol

from fastapi import APIRouter

from chat4all_simulator.http.exchange import Answer, Request
from chat4all_simulator.journal import Entry


class Provider(Protocol):
    """One wire format. `name`: its folder's; `control`: what people and tests do there, under /control/<name>."""

    name: str
    control: APIRouter

    def serves(self, target: bytes) -> bool:
        """Whether a path is its own."""
        ...

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer a request, at once where nothing is to be waited for."""
        ...

    def replay(self, entry: Entry) -> None:
        """Take up what an entry of the log tells of."""
        ...

    def start(self) -> None:
        """Go on with what was under way, after the replay."""
        ...

    async def stop(self) -> None:
        """End all that it does by itself."""
        ...
