"""Long texts in parts: cut after a line or a word where that can be, never within what a reader sees as one sign."""

from collections.abc import Callable, Iterator
from typing import Final

import regex

from chat4all.channels.kit.manifest import Unit

_SIGN: Final = regex.compile(r"\X")  # an extended grapheme cluster: https://www.unicode.org/reports/tr29/
_SIZES: Final[dict[Unit, Callable[[str], int]]] = {
    "utf16": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    "characters": len,
    "bytes": lambda text: len(text.encode("utf-8", "surrogatepass")),
}


def size(text: str, unit: Unit) -> int:
    """Its length as the channel counts."""
    return _SIZES[unit](text)


def split(text: str, limit: int, unit: Unit) -> list[str]:
    """Parts of at most `limit`, none of them blank, that together say the same but for the space where they were cut.

    A text without anything but space gives none.
    """
    parts: list[str] = []
    rest = text.strip()
    while rest:
        part = rest if size(rest, unit) <= limit else _head(rest, limit, unit)
        parts.append(part.strip())
        rest = rest[len(part) :].strip()
    return parts


def _head(text: str, limit: int, unit: Unit) -> str:
    """The first part of a text that is too long."""
    end, line, word = 0, 0, 0
    used = 0
    for sign in _signs(text, limit, unit):
        used += size(sign, unit)
        if used > limit:
            break
        end += len(sign)
        if "\n" in sign:
            line = end
        if sign.isspace():
            word = end
    # A line's end in the second half is better than a word's; a word's is better than none.
    return text[: line if line > end // 2 else word or end]


def _signs(text: str, limit: int, unit: Unit) -> Iterator[str]:
    """What a reader sees as one each; one that is longer than the limit by itself comes in code points."""
    for found in _SIGN.finditer(text):
        sign = found[0]
        if size(sign, unit) > limit:
            yield from sign
        else:
            yield sign
