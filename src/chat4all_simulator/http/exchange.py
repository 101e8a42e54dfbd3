"""Requests to providers and their answers, as the connections and the providers hand them to each other."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Request:
    """A request as it came: `target` is the path with its query; header names are in lower case."""

    connection: str  # which one it came on, unique in the log
    verb: str
    target: bytes
    headers: Headers
    body: bytearray = field(default_factory=bytearray)
    too_large: bool = False  # the body was longer than is read; its rest was thrown away
    wrong: int = 0  # the HTTP status that refuses it, whatever it asks for; 0: none
    keep_alive: bool = True

    def header(self, name: bytes) -> str:
        """Return the value of a header, given in lower case; empty if it is not there."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


@dataclass(slots=True)
class Manner:
    """How an answer is sent where a fault spoils the connection."""

    after: float = 0.0  # seconds it is held back
    held: Awaitable[None] | None = None  # and until this is done
    cut_at: int | None = None  # the connection is cut when so many bytes of the answer have been sent
    silent: bool = False  # no answer at all, and the connection stays open, as if nobody read it any more


@dataclass(slots=True)
class Answer:
    """What HTTP answers: `kind` is the Content-Type; `headers` are those beside it and Content-Length."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)
    manner: Manner | None = None
    kind: bytes = b"application/json"

    @property
    def is_json(self) -> bool:
        """Whether there is a body and it is said to be JSON."""
        return self.kind == b"application/json" and bool(self.body)


class Desk(Protocol):
    """What the connections hand the requests to providers to."""

    def serves(self, target: bytes) -> bool:
        """Return whether the path of `target` is a provider's."""
        ...

    def handle(self, request: Request) -> Answer | Awaitable[Answer]:
        """Return the answer, or an awaitable of it where something has to be waited for."""
        ...

    def flush(self) -> None:
        """Write the log, before anything is sent. Raises JournalError."""
        ...

    def left(self, connection: str) -> None:
        """Note that a connection on which requests came has ended."""
        ...
