"""chat4all connectors lists the connectors and how they are."""

from typing import Any

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "connectors"


def run(
    username: As = "admin", password: Password = DEMO_PASSWORD, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the connectors with their health.

    Waiting: records that have not been sent; limited: chats that stand still because the provider asked for it.

    Example: chat4all connectors
    """
    rows = listing.fetch(Client(url, username, password), "/v1/connectors")
    if as_json:
        output.emit(rows)
    else:
        listing.show([_row(one) for one in rows], "No connector is registered. Put one into connectors/, see README.")


def _row(one: dict[str, Any]) -> dict[str, str]:
    at = one["told_at"]
    return {
        "connector": one["id"],
        "channel": one["channel"],
        "state": one["state"],
        "account": one["account"] or "?",
        "mode": one["mode"] or "",
        "registered": "yes" if one["registered"] else "no",
        "waiting": str(one["queue"]),
        "limited": str(one["limited"]),
        "last report (UTC)": at[:19].replace("T", " ") if at else "never",
        "problem": one["problem"] or "",
    }
