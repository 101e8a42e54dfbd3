"""Prints lines and tables for a person, JSON for a program. Nothing that steers a terminal gets out."""

import codecs
import json
import re
import sys
from typing import Any, Final

import typer
from rich.console import Console

_UNLIMITED_COLUMNS: Final = 10_000  # where there is no terminal, whose width would be the limit

# C0 and C1 except the tab, Unicode's line ends, what turns the direction of the rest of a line, and lone surrogates.
_STEERING_PATTERN: Final = re.compile("\r?\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")
# Of these, the ones that JSON does not escape.
_UNESCAPED_PATTERN: Final = re.compile("[\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")


def plain(text: str) -> str:
    """Return the text on one line. What a terminal would obey, or fools a reader, is made visible: ESC as `\\x1b`."""
    return _STEERING_PATTERN.sub(lambda match: _visible(match[0]), text)


def emit(value: Any) -> None:
    """Print a value as one line of JSON, at once."""
    utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    text = json.dumps(value, ensure_ascii=not utf8)
    typer.echo(_UNESCAPED_PATTERN.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def lines() -> Console:
    """Return the console for lines, which does not wrap them."""
    return Console(highlight=False, soft_wrap=True)


def tables() -> Console:
    """Return the console for tables: as wide as the terminal, or as they need where something else reads them."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNLIMITED_COLUMNS)


def note(text: str) -> None:
    """Print something beside the result, on standard error."""
    typer.secho(text, err=True, dim=True)


def _visible(text: str) -> str:
    return " ⏎ " if text.endswith("\n") else text.encode("unicode_escape").decode()
