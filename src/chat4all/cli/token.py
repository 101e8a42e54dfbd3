"""chat4all token logs in and prints the token."""

import asyncio

import typer

from chat4all.cli.options import As, Json, Password, Url
from chat4all.cli.output import emit
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, Client

NAME = "token"


def run(
    username: As = "ana", password: Password = DEMO_PASSWORD, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """Print a bearer token.

    Example: curl -H "Authorization: Bearer $(chat4all token --as ana)" http://localhost:8000/v1/conversations
    """
    token = asyncio.run(_token(url, username, password))
    if as_json:
        emit({"access_token": token, "token_type": "bearer"})
    else:
        typer.echo(token)


async def _token(url: str, username: str, password: str) -> str:
    async with Client(url, username, password) as client:
        return await client.token()
