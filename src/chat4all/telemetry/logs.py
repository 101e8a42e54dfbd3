"""Logs: one line per event on standard error, and no secret in any of them."""

import logging
import re
import sys
from typing import Final

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


def configure(level: str) -> None:
    """Send all logs to standard error from this level on. uvicorn's own access lines would show query strings: off."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for noisy in ("uvicorn", "uvicorn.error", "alembic", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
