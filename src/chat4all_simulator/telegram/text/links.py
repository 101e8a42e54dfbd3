"""Links and custom emoji in a marked text: what their URLs lead to."""

import re
from typing import Final
from urllib.parse import urlsplit

from chat4all_simulator.telegram.text.marked import Marked

_USER_URL: Final = re.compile(r"tg:(?://)?user\?id=(\d+)")
_EMOJI_URL: Final = re.compile(r"tg:(?://)?emoji\?id=(\d+)")


def usable(url: str) -> str:
    """Return the URL as the API gives it back; empty if it is none, and what it marked is plain text."""
    url = url.strip()
    if _USER_URL.match(url):
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
    """Mark the text from `offset` to its end as a link, if that leads anywhere."""
    if target := usable(url):
        marked.mark("text_link", offset, url=target)


def emoji(url: str) -> str:
    """Return the id of the custom emoji that a URL names; empty if it names none."""
    match = _EMOJI_URL.fullmatch(url)
    return match[1] if match else ""
