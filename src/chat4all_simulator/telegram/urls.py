"""Reads the URLs of webhooks as the Bot API takes them."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from chat4all_simulator.telegram.refusals import RefusedError, bad

_HOST_PATTERN: Final = re.compile(r"[a-z0-9.\-_!$,~*'();&+=%]+|\[[0-9a-f:.]+\]")


def complete(url: str) -> str:
    """Return the URL with its scheme, which is https where it has none."""
    return url if "://" in url else f"https://{url}"


def split(url: str) -> tuple[SplitResult, int]:
    """Return the URL's parts and its port. Raises RefusedError for what is no URL."""
    refusal: RefusedError = bad("invalid webhook URL specified")
    try:
        parts = urlsplit(complete(url))
        _ = httpx.URL(complete(url)).host  # what cannot be posted to is none, whatever it looks like
        port = parts.port if parts.port is not None else {"http": 80, "https": 443}.get(parts.scheme, 0)
    except (ValueError, httpx.InvalidURL):
        raise refusal from None
    host = parts.netloc.rpartition("@")[2]
    host = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    if parts.scheme not in {"http", "https"} or not 0 < port <= 65_535 or not _HOST_PATTERN.fullmatch(host.lower()):
        raise refusal
    return parts, port


def literal(host: str) -> str:
    """Return the address that a host is itself, empty if none; a name is looked up only when it is posted to."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "127.0.0.1" if host == "localhost" else ""
