"""Logs go to standard error, one line per event, with no secret in any of them."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Final

_REPETITIVE_LIBRARIES: Final = {"aiokafka", "cassandra"}
_QUIET_SECONDS: Final = 60.0
_MAX_REMEMBERED_LINES: Final = 1000

_SECRET_PATTERN: Final = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"  # a JWT, wherever it turns up
    r"|(?<=token=)[^&\s\"']+"  # the seed's clients put it into the WebSocket's URL
    r"|(?<=[Bb]earer )\S+"
    r"|\$argon2id\$\S+"
    r"|(?<=password=)[^&\s\"']+"
    r"|(?<!\d)\d{6,}:[\w-]{30,}"  # a Telegram bot's token, which is part of each address that is called
)


def redacted(text: str) -> str:
    """Return the text with everything replaced that looks like a token, password or password hash."""
    return _SECRET_PATTERN.sub("[redacted]", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, exception and all, then takes the secrets out."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class Repeats(logging.Filter):
    """Lets one line through of those that say the same about an engine that is away. Whoever needs the engine tries
    again, clients in libraries many times a second, and would log it each time: 8,255 lines in one log. After a quiet
    minute the line is logged again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last_logged: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        arguments = record.args if isinstance(record.args, tuple) else ()
        library = record.levelno >= logging.INFO and record.name.partition(".")[0] in _REPETITIVE_LIBRARIES
        if not library and not any(isinstance(one, Exception) and hasattr(one, "engine") for one in arguments):
            return True  # not about an engine that is away: our own errors have the attribute
        subject = str(arguments[0]) if arguments else ""
        line, now = (record.name, str(record.msg), subject), self._clock()
        if len(self._last_logged) >= _MAX_REMEMBERED_LINES and line not in self._last_logged:
            self._last_logged.clear()
        before, self._last_logged[line] = self._last_logged.get(line), now
        return before is None or now - before > _QUIET_SECONDS


def configure(level: str) -> None:
    """Send all logs to standard error from this level on. uvicorn's access lines are off: they would show query
    strings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("uvicorn", "uvicorn.error", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
