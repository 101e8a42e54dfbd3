"""What commands put out: lines and tables for a person, JSON for a program. Nothing that steers a terminal gets out."""

import codecs
import json
import re
import sys
from typing import Any, Final

import typer
from rich.console import Console

_UNLIMITED: Final = 10_000  # columns, where there is no terminal that is only so wide

# C0 and C1 but for the tab, Unicode's line ends, what turns the direction of the rest of a line, and lone surrogates.
_STEERING: Final = re.compile("\r?\n|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")
# What JSON lets stand as it is.
_UNESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\u202d\u202e\ud800-\udfff]")


def plain(text: str) -> str:
    """The text on one line, with what a terminal would obey, or a reader be fooled by, to be seen: ESC as `\\x1b`."""
    return _STEERING.sub(lambda found: _visible(found[0]), text)


def emit(value: Any) -> None:
    """Put out a value as one line of JSON, at once."""
    utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    text = json.dumps(value, ensure_ascii=not utf8)
    typer.echo(_UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def lines() -> Console:
    """Where lines go, which are not wrapped."""
    return Console(highlight=False, soft_wrap=True)


def tables() -> Console:
    """Where tables go: as wide as the terminal, or as they need to be where something else reads them."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _UNLIMITED)


def note(text: str) -> None:
    """Say something beside the result, on standard error."""
    typer.secho(text, err=True, dim=True)


def _visible(found: str) -> str:
    return " ⏎ " if found.endswith("\n") else found.encode("unicode_escape").decode()
