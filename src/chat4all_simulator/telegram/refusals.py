"""What the Bot API says when it refuses. The sentences are its wire format.

As the official server gives them: fail_query_with_error and the checks of each method in
https://github.com/tdlib/telegram-bot-api/blob/master/telegram-bot-api/Client.cpp
"""

from typing import Final

_PREFIXES: Final = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 500: "Internal Server Error"}


class RefusedError(Exception):
    """A call is refused: `code` is the HTTP status too; `parameters`: retry_after or migrate_to_chat_id."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad(reason: str) -> RefusedError:
    """Return the refusal of a bad request, 400."""
    return _prefixed(400, reason)


def forbidden(reason: str) -> RefusedError:
    """Return the refusal of what is forbidden, 403."""
    return _prefixed(403, reason)


def conflict(reason: str) -> RefusedError:
    """Return the refusal where two want the updates of one bot, 409."""
    return RefusedError(409, f"Conflict: {reason}")


def too_many(seconds: int) -> RefusedError:
    """Return the refusal of too many calls, 429: try again after so many seconds."""
    return RefusedError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)


def _prefixed(code: int, reason: str) -> RefusedError:
    """The server lowers the reason's first letter, unless it is the name of an error, as MESSAGE_ID_INVALID is."""
    named = len(reason) > 1 and (reason[1] == "_" or "A" <= reason[1] <= "Z")
    return RefusedError(code, f"{_PREFIXES[code]}: {reason if named else reason[:1].lower() + reason[1:]}")
