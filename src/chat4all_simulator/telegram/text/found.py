"""Entities that nobody marked and the API finds: commands, mentions, tags, addresses of the web and of mail."""

import re
from collections.abc import Iterator
from typing import Final

from chat4all_simulator.telegram.objects import Entity
from chat4all_simulator.telegram.text.marked import units

# The real server knows every top level domain; without a scheme, these are what people write.
_TOP_LEVEL_DOMAINS: Final = "com|org|net|io|me|br|pt|de|fr|uk|es|it|dev|app|info|ru"
_DOMAIN: Final = rf"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{{0,61}}[A-Za-z0-9])?\.)+(?:{_TOP_LEVEL_DOMAINS})"
_URL: Final = rf"(?:https?://[^\s<>\"/?#]+|(?<![@\w.\-]){_DOMAIN}(?![\w\-]))(?::\d{{1,5}})?(?:[/?#][^\s<>\"]*)?"
_PATTERNS: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("email", rf"(?<![\w.%+\-])[A-Za-z0-9._%+\-]{{1,64}}@{_DOMAIN}(?![\w\-])"),
        ("url", _URL),
        ("mention", r"(?<!\w)@[A-Za-z0-9_]{4,32}(?!\w)"),
        ("bot_command", r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/<>])"),
        ("hashtag", r"(?<!\w)#(?=\w*[^\W\d_])\w{1,256}(?!#)"),
        ("cashtag", r"(?<!\w)\$(?:1INCH|[A-Z]{1,8})(?![\w$])"),
    )
)
_SIGNS: Final = re.compile(r"[@#$/.]")  # each of these entities has one of them
_TRAILING_PUNCTUATION: Final = ".,:;!?'(`"


def find(text: str) -> Iterator[Entity]:
    """Yield the entities of a text, none over another, by kind."""
    if not _SIGNS.search(text):
        return
    ranges: list[range] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if kind == "url":
                end = start + len(match[0].rstrip(_TRAILING_PUNCTUATION))
            if any(start < one.stop and one.start < end for one in ranges):
                continue
            ranges.append(range(start, end))
            yield Entity(units(text[:start]), units(text[start:end]), kind)
