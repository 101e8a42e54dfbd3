"""chat4all links lists, makes and removes links: who is who on which channel."""

from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from chat4all.cli import listing, output
from chat4all.cli.options import As, Json, Password, Url
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "links"

_PATH = "/v1/users/channels"

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Of = Annotated[str, typer.Option("--of", help="Whose; others than your own: only admins may.")]
At = Annotated[str, typer.Option("--at", help="The connector's id, where the channel has several.")]


@app.callback()
def about() -> None:
    """See, make and remove links: who is who on which channel.

    Example: chat4all links list --of bruno
    """


@app.command(name="list")
def list_links(
    of: Of = "",
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List somebody's links.

    Example: chat4all links list --of bruno
    """
    path = f"{_PATH}?{urlencode({'username': of})}" if of else _PATH
    links = listing.fetch(Client(url, username, password), path)
    if as_json:
        output.emit(links)
    else:
        listing.show([_row(one) for one in links], f"{of or username} has no links.")


@app.command()
def add(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="As telegram; see: chat4all channels")],
    identifier: Annotated[str, typer.Argument(metavar="IDENTIFIER", help="Who it is there.")] = "",
    of: Of = "",
    at: At = "",
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Link somebody to who they are on a channel.

    An admin links at once. Anybody else claims: the link is pending until that person shows the code on the channel.

    Example: chat4all links add telegram 123456789 --of bruno
    """
    body = {"channel_type": channel, "identifier": identifier, "connector": at} | ({"username": of} if of else {})
    link = listing.ask(Client(url, username, password), "POST", _PATH, body)
    if as_json:
        output.emit(link)
        return
    typer.echo(f"{link['id']}: {output.plain(link['username'])} on {link['channel']}, {link['status']}.")
    for line in filter(None, (link["how"], link["invite"])):
        typer.echo(output.plain(line))


@app.command()
def remove(
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link's id.")],
    username: As = "admin",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Remove a link.

    Example: chat4all links remove 01997a3e-5c1f-7d02-9c1b-2f6a8e4b7d10
    """
    answer = listing.ask(Client(url, username, password), "DELETE", f"{_PATH}/{quote(link, safe='')}")
    if as_json:
        output.emit(answer)
    else:
        typer.echo("Removed.")


def _row(one: dict[str, Any]) -> dict[str, str]:
    return {
        "link": one["id"],
        "user": one["username"],
        "channel": one["channel"],
        "connector": one["connector"],
        "who": one["identifier"] or "whoever shows the code",
        "status": one["status"],
        "note": one["how"] or "",
    }
