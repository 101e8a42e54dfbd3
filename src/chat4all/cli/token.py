"""chat4all token: log in."""

import asyncio

import typer

from chat4all.cli.client import DEFAULT_URL, DEMO_PASSWORD, As, Client, Password, Url

NAME = "token"


def run(username: As = "ana", password: Password = DEMO_PASSWORD, url: Url = DEFAULT_URL) -> None:
    """Print a bearer token. Example: curl -H "Authorization: Bearer $(chat4all token --as ana)" ..."""
    typer.echo(asyncio.run(_token(url, username, password)))


async def _token(url: str, username: str, password: str) -> str:
    async with Client(url, username, password) as client:
        return await client.token()
