"""chat4all send posts a message in a conversation."""

import asyncio
from typing import Annotated

import typer

from chat4all.cli import chats
from chat4all.cli.options import As, Chat, Json, Password, Url
from chat4all.cli.output import emit
from chat4all.client import DEFAULT_URL, DEMO_PASSWORD, AnswerError, Client

NAME = "send"


def run(
    chat: Chat,
    text: Annotated[str, typer.Argument(help="What to say.")],
    username: As = "ana",
    password: Password = DEMO_PASSWORD,
    url: Url = DEFAULT_URL,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key: the same key again is the same message.")] = None,
    as_json: Json = False,
) -> None:
    """Post a message and print its id.

    A conversation is begun where there is none yet with exactly these people.

    Example: chat4all send --as ana bruno 'Olá!'
    """
    if key is not None and not key.isascii():
        raise AnswerError("--key goes into the header Idempotency-Key, which takes visible ASCII characters only.")
    message = asyncio.run(_send(Client(url, username, password), chat, text, key))
    if as_json:
        emit(message)
    else:
        typer.echo(message["message_id"])


async def _send(client: Client, chat: str, text: str, key: str | None) -> dict[str, str]:
    async with client:
        conversation_id = await chats.begun(client, chat)
        message_id = await client.post(conversation_id, text, key=key)
    return {"message_id": message_id, "conversation_id": conversation_id}
