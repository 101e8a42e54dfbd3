"""Logs: one line per event on standard error, and no secret in any of them."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Final

_REPEAT_THEMSELVES: Final = {"aiokafka", "cassandra"}
_QUIET: Final = 60.0  # seconds
_KNOWN: Final = 1000  # lines that are remembered

_SECRETS: Final = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"  # a JWT, wherever it turns up
    r"|(?<=token=)[^&\s\"']+"  # the seed's clients put it into the WebSocket's URL
    r"|(?<=[Bb]earer )\S+"
    r"|\$argon2id\$\S+"
    r"|(?<=password=)[^&\s\"']+"
    r"|(?<!\d)\d{6,}:[\w-]{30,}"  # a Telegram bot's token, which is part of each address that is called
)


def redacted(text: str) -> str:
    """The text with everything that looks like a token, password or password hash replaced."""
    return _SECRETS.sub("[redacted]", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, exception and all, then takes the secrets out."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class Repeats(logging.Filter):
    """Has the same be said once of an engine that is away. Whoever needs it tries again, clients of libraries many
    times a second, and would say so each time: 8,255 lines in one log. After a quiet minute it is said anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[str, str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        given = record.args if isinstance(record.args, tuple) else ()
        library = record.levelno >= logging.INFO and record.name.partition(".")[0] in _REPEAT_THEMSELVES
        if not library and not any(isinstance(one, Exception) and hasattr(one, "engine") for one in given):
            return True  # nothing of an engine that is away: our own errors of one name it
        about = str(given[0]) if given else ""
        line, now = (record.name, str(record.msg), about), self._clock()
        if len(self._said) >= _KNOWN and line not in self._said:
            self._said.clear()
        before, self._said[line] = self._said.get(line), now
        return before is None or now - before > _QUIET


def configure(level: str) -> None:
    """Send all logs to standard error from this level on. uvicorn's own access lines would show query strings: off."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats())
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("uvicorn", "uvicorn.error", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
