"""chat4all channels lists what is installed, and what each can do."""

from typing import Any

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "channels"


def run(
    username: As = "admin", password: Password = DEMO_PASSWORD, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the installed channels.

    Each with the longest text that goes as one message, what can be done with one that was sent, and what the channel
    reports of it.

    Example: chat4all channels
    """
    channels = listing.fetch(Client(url, username, password), "/v1/channels")
    if as_json:
        output.emit(channels)
    else:
        listing.show([_row(one) for one in channels], "No channel is installed.")


def _row(one: dict[str, Any]) -> dict[str, str]:
    unit = {"utf16": "UTF-16 units", "bytes": "bytes"}.get(one["unit"], one["unit"])
    can = [
        word for word, able in (("edit", one["edits"]), ("delete", one["deletes"]), ("quote", one["quotes"])) if able
    ]
    return {
        "channel": one["name"],
        "title": one["title"],
        "text": f"{one['max_text']} {unit}",
        "can": ", ".join(can) or "send only",
        "reports": ", ".join(["sent", *one["receipts"]]),
        "people are": one["identifier_hint"],
    }
