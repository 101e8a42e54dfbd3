"""The one table of errors that a client can see, and the errors that parts of the system raise for each other.

docs/errors.md is made from `PROBLEMS`; the API turns a `Refusal` into RFC 9457 problem+json.
"""

from typing import Final, NamedTuple


class Problem(NamedTuple):
    """A problem is one kind of error: its HTTP status, what it is, and what to do next."""

    status: int
    title: str
    advice: str


PROBLEMS: Final[dict[str, Problem]] = {
    "malformed": Problem(400, "The request is not well formed", "Send valid JSON in UTF-8."),
    "unauthenticated": Problem(401, "The token is missing or not valid", "Get a new one with POST /token."),
    "wrong-password": Problem(401, "Unknown user or wrong password", "Check both; too many tries are refused."),
    "forbidden": Problem(403, "You may not do this", "Ask someone whose role allows it."),
    "not-found": Problem(404, "There is no such thing, or it is not yours to see", "Check the id."),
    "message-not-found": Problem(
        404, "There is no such message, or it is not yours to see", "A message accepted just now appears in a moment."
    ),
    "method-not-allowed": Problem(405, "This path does not take this method", "See the Allow header and /docs."),
    "conflict": Problem(409, "This contradicts what is already there", "Read the present state first."),
    "deleted": Problem(409, "The message was deleted", "A deleted message can be neither edited nor deleted again."),
    "too-large": Problem(413, "The request is too large", "Send at most 1 MiB."),
    "unsupported-media-type": Problem(415, "The request has the wrong content type", "See /docs for the right one."),
    "invalid": Problem(422, "A field is not valid", "Fix the fields named in errors."),
    "key-reused": Problem(
        422, "This Idempotency-Key was used for another request", "Use a fresh key for every new request."
    ),
    "too-many": Problem(429, "Too many requests", "Wait as long as Retry-After says."),
    "internal": Problem(500, "Something went wrong here", "Try again; if it stays, tell the operator the time."),
    "unavailable": Problem(
        503,
        "A part of the system cannot be reached",
        "It may or may not have happened: try again after Retry-After, with the same Idempotency-Key if it had one.",
    ),
}


class FieldError(NamedTuple):
    """A field error names a field that is wrong, as the client wrote it, and says in a sentence what is wrong."""

    field: str
    detail: str


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """A request is refused with one code of the table. Nothing has been stored, except perhaps after `unavailable`.

    `retry_after`: seconds after which trying again makes sense.
    """

    def __init__(
        self, code: str, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.problem = PROBLEMS[code]
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


def invalid(field: str, detail: str) -> Refusal:
    """Return the refusal of a request for one field that is wrong."""
    return Refusal("invalid", detail, errors=(FieldError(field, detail),))


class EngineUnavailableError(Exception):
    """An engine could not be reached, is full, or did not answer in time. The outcome of a write is unknown.

    `engine`: log, store, directory, realtime, limits or files. It is never a reason to bury a record: the caller tries
    again.
    """

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(f"{engine} is unavailable: {reason}")
        self.engine = engine


class StartError(Exception):
    """The process cannot start. The message names the setting or file and says what to do."""


class UnusableFileError(StartError):
    """A file that a setting names is missing or cannot be used. Once it is mended, the process can start."""


class NotMigratedError(Exception):
    """What is kept on an engine is not of a version that this release works with, or not there. The message says what.

    `advice`: what to do, for a person.
    """

    def __init__(self, what: str, advice: str = "run chat4all migrate") -> None:
        super().__init__(what)
        self.advice = advice
