"""What a link in a marked text leads to."""

import re
from typing import Final
from urllib.parse import urlsplit

from chat4all_simulator.telegram.text.marked import Marked

_USER: Final = re.compile(r"tg:(?://)?user\?id=(\d+)")
_EMOJI: Final = re.compile(r"tg:(?://)?emoji\?id=(\d+)")


def usable(url: str) -> str:
    """As it is given back; empty: it is none, and what it marked is plain text."""
    url = url.strip()
    if _USER.match(url):
        return url
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https", "tg", "ton"} or "." not in host or " " in url:
        return url if parts.scheme in {"tg", "ton"} else ""
    return parts._replace(path=parts.path or "/").geturl()


def mark(marked: Marked, offset: int, url: str) -> None:
    """A link from there to here, if it leads anywhere."""
    if found := usable(url):
        marked.mark("text_link", offset, url=found)


def emoji(url: str) -> str:
    """The id of a custom emoji; empty: it names none."""
    found = _EMOJI.fullmatch(url)
    return found[1] if found else ""
