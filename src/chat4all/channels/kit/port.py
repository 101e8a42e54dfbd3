"""What a channel does. It keeps no state and decides nothing: it translates, and raises the errors of `errors`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from chat4all.channels.kit.events import AnyEvent
from chat4all.channels.kit.http import ProviderClient


class Account(NamedTuple):
    """Whose credentials they are: the provider's id, and a name for people."""

    id: str
    name: str


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the provider takes it: short enough. `answers`: the provider's id of a message in that chat."""

    chat: str
    text: str
    answers: str | None = None


class Post(NamedTuple):
    """An inbound request; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


class WebhookStatus(NamedTuple):
    """Where the provider tells us things: a URL, or empty for polling; `problem`: what it says is wrong, or empty."""

    url: str
    pending: int
    problem: str


class Page(NamedTuple):
    """What a poll gave: events, and the cursor to go on from, which tells the provider that these were kept."""

    events: Sequence[AnyEvent]
    cursor: str


class Channel(Protocol):
    """One account at a provider: calls to it, and the meaning of what it sends."""

    def __init__(self, client: ProviderClient, credentials: Any, config: Any) -> None: ...

    async def account(self) -> Account:
        """Whose account it is at the provider. Raises ChannelError."""
        ...

    async def send(self, part: Part) -> str:
        """Send it; the provider's id of the message. Raises ChannelError."""
        ...

    async def edit(self, chat: str, external_id: str, text: str) -> None:
        """Change what was sent. Raises ChannelError."""
        ...

    async def delete(self, chat: str, external_id: str) -> None:
        """Take back what was sent. Raises ChannelError."""
        ...

    def verify(self, post: Post) -> None:
        """See that a request comes from the provider. Raises NotGenuineError."""
        ...

    def parse(self, body: bytes) -> Sequence[AnyEvent]:
        """What a webhook's body tells. Raises MalformedError."""
        ...

    async def poll(self, cursor: str, *, seconds: float) -> Page:
        """Wait for events after the cursor, empty at first. Raises ChannelError."""
        ...

    async def register(self, url: str) -> None:
        """Have the provider tell us things at this URL; empty: nowhere, we poll. Raises ChannelError."""
        ...

    async def registration(self) -> WebhookStatus:
        """What the provider has. Raises ChannelError."""
        ...
