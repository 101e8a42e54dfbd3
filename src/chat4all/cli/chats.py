"""Finds the conversation that a command line names by the people in it, or by its id."""

import re
from typing import Final
from urllib.parse import urlencode

from chat4all.client import AnswerError, Client

# A user whose name has this shape can only be reached by the conversation's id.
_ID_PATTERN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def found(client: Client, chat: str) -> str:
    """Return the id of a conversation that exists. Raises AnswerError where there is none, or it is another's."""
    if _ID_PATTERN.fullmatch(chat):
        await client.call("GET", f"/v1/conversations/{chat}")
        return chat
    people = _people(chat)
    if conversation_id := await client.known_conversation_with(*people):
        return conversation_id
    for username in people:
        await _check_user(client, username)
    names = ", ".join(people)
    raise AnswerError(
        f"There is no conversation of {client.username} with {names} yet. "
        f"Begin it: chat4all send --as {client.username} {','.join(people)} 'Olá!'"
    )


async def begun(client: Client, chat: str) -> str:
    """Return the id of a conversation, which is begun where there is none with these people. Raises AnswerError."""
    return chat if _ID_PATTERN.fullmatch(chat) else await client.conversation_with(*_people(chat))


def _people(chat: str) -> list[str]:
    people = [name.strip() for name in chat.split(",") if name.strip()]
    if not people:
        raise AnswerError("CHAT names nobody. Give a user name, several with commas, or a conversation's id.")
    return people


async def _check_user(client: Client, username: str) -> None:
    """Raise AnswerError if there is no such user. A whole name comes first among the names that begin with it."""
    users = (await client.call("GET", f"/v1/users?{urlencode({'q': username, 'limit': 1})}")).json()
    if username not in {user["username"] for user in users}:
        raise AnswerError(f"There is no user {username}.")
