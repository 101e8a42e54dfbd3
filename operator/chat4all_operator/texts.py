"""Texts of people, cut where a reader would see a whole character."""

from typing import Final

import regex

_SIGN: Final = regex.compile(r"\X")  # an extended grapheme cluster: https://www.unicode.org/reports/tr29/


def cut(text: str, most: int) -> str:
    """Return the text, or as much of it as is whole characters of at most so many code points altogether."""
    if len(text) <= most:
        return text
    end = 0
    for sign in _SIGN.finditer(text):
        if sign.end() > most:
            break
        end = sign.end()
    return text[: end or most]  # one that is longer than everything is cut all the same
