"""A request to a provider, and its answer."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """As it came: `target` is the path with its query; header names are in lower case."""

    connection: str  # which line it came on, unique in the log
    verb: str
    target: bytes
    headers: Headers
    body: bytearray = field(default_factory=bytearray)
    too_large: bool = False  # the body was longer than is read; its rest was thrown away
    wrong: int = 0  # what HTTP itself says to it, if that is no good
    keep_alive: bool = True

    def header(self, name: bytes) -> str:
        """Its value, or empty."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


@dataclass(slots=True)
class Manner:
    """How an answer is given when something is wrong with the line."""

    after: float = 0.0  # seconds it is held back
    held: Awaitable[None] | None = None  # and until this is done
    cut_at: int | None = None  # the line is cut when so many bytes of the answer have been sent
    silent: bool = False  # no answer at all, and the line stays open: nobody reads on the other side any more


@dataclass(slots=True)
class Answer:
    """A status, a body and headers beside Content-Type and Content-Length."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)
    manner: Manner | None = None
    kind: bytes = b"application/json"

    @property
    def is_json(self) -> bool:
        """Whether it says so, and there is something."""
        return self.kind == b"application/json" and bool(self.body)


class Desk(Protocol):
    """Where requests to the providers go."""

    def serves(self, target: bytes) -> bool:
        """Whether this path is a provider's."""
        ...

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """The answer, at once where nothing is to be waited for."""
        ...

    def flush(self) -> None:
        """Called before anything is sent."""
        ...

    def left(self, connection: str) -> None:
        """A line on which requests came has ended."""
        ...
