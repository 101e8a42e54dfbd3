"""URLs of webhooks, as the Bot API takes them."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from chat4all_simulator.telegram.refusals import RefusedError, bad

_HOST: Final = re.compile(r"[a-z0-9.\-_!$,~*'();&+=%]+|\[[0-9a-f:.]+\]")


def complete(url: str) -> str:
    """With its scheme, which is https where none is said."""
    return url if "://" in url else f"https://{url}"


def split(url: str) -> tuple[SplitResult, int]:
    """Raises RefusedError for what is no URL."""
    wrong: RefusedError = bad("invalid webhook URL specified")
    try:
        parts = urlsplit(complete(url))
        _ = httpx.URL(complete(url)).host  # what cannot be posted to is none, whatever it looks like
        port = parts.port if parts.port is not None else {"http": 80, "https": 443}.get(parts.scheme, 0)
    except (ValueError, httpx.InvalidURL):
        raise wrong from None
    host = parts.netloc.rpartition("@")[2]
    host = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if parts.scheme not in {"http", "https"} or not 0 < port <= 65_535 or not _HOST.fullmatch(host.lower()):
        raise wrong
    return parts, port


def literal(host: str) -> str:
    """The address that a URL names itself; a name is looked up only when it is posted to."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else ""
