"""chat4all send: post a message."""

import asyncio
from typing import Annotated

import typer

from chat4all.cli.client import DEFAULT_URL, DEMO_PASSWORD, AnswerError, As, Client, Password, Url

NAME = "send"


def run(
    to: Annotated[str, typer.Argument(help="A user name, several with commas, or a conversation's id.")],
    text: Annotated[str, typer.Argument(help="What to say.")],
    username: As = "ana",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: the same key again is the same message.")] = None,
) -> None:
    """Post a message and print its id. Example: chat4all send --as ana bruno 'Olá!'"""
    if key is not None and not key.isascii():
        raise AnswerError("--key goes into the header Idempotency-Key, which takes visible ASCII characters only.")
    typer.echo(asyncio.run(_send(Client(url, username, password), to, text, key)))


async def _send(client: Client, to: str, text: str, key: str | None) -> str:
    async with client:
        # An id of ours is a UUID with four dashes; a name of that shape would have to be given with its chat's id.
        conversation_id = to if to.count("-") == 4 else await client.conversation_with(*to.split(","))
        return await client.post(conversation_id, text, key=key)
