"""chat4all probe proves that an installation works: it is ready, and a message goes through."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from chat4all import __version__
from chat4all.cli.options import Json, Url
from chat4all.cli.output import emit, plain
from chat4all.client import DEFAULT_URL, AnswerError, Client

NAME = "probe"

_PATIENCE_SECONDS: Final = 60.0  # until it is ready, and until a message is stored
_LOOK_SECONDS: Final = 0.5


def run(
    url: Url = DEFAULT_URL,
    gateway: Annotated[str, typer.Option(help="Where WebSockets are taken, if that is another address.")] = "",
    user_folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder with the files username and password of a user.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that an installation is ready and of one release, and that a message goes through.

    The message is written by a user of its own, into a conversation of its own, twice under one Idempotency-Key, and
    is looked for in the timeline. Without a user, readiness and releases are all that is checked, and it says so. It
    may be run as often as you like: once an hour in production, say. Exit code 1 if anything is wrong.

    Example: chat4all probe --url https://chat.example.org --user-folder /run/secrets/probe
    """
    lines = asyncio.run(_told(url, gateway or url, user_folder, quiet=as_json))
    if as_json:
        emit({"well": lines})


async def _told(url: str, gateway: str, user_folder: Path | None, *, quiet: bool) -> list[str]:
    lines = []
    async for line in _probed(url, gateway, user_folder):
        lines.append(line)
        if not quiet:
            typer.echo(plain(line))
    return lines


async def _probed(url: str, gateway: str, user_folder: Path | None) -> AsyncIterator[str]:
    for address in dict.fromkeys((url, gateway)):
        yield await _ready(address)
    if user_folder is None:
        yield "no message was sent: no user was given (--user-folder; in the chart, probe.existingSecret)"
        return
    name, password = (_text(user_folder / file) for file in ("username", "password"))
    async with Client(url, name, password) as client:
        yield await _message(client)


async def _ready(address: str) -> str:
    deadline, why = time.monotonic() + _PATIENCE_SECONDS, ""
    async with httpx.AsyncClient(base_url=address, timeout=10, trust_env=False) as http:
        while time.monotonic() < deadline:
            try:
                answer = await http.get("/readyz")
                if answer.status_code == httpx.codes.OK:
                    release = (await http.get("/version")).json()["version"]
                    other = "" if release == __version__ else f", and this probe is of {__version__}"
                    return f"{address} is ready, release {release}{other}"
                why = answer.text[:500]
            except (httpx.HTTPError, ValueError, KeyError) as error:
                why = str(error) or type(error).__name__
            await asyncio.sleep(_LOOK_SECONDS)
    raise AnswerError(
        f"{address} is not ready: {why}. Look at its pods: kubectl get pods, and kubectl get events for an image that "
        "cannot be pulled or a quota that is full."
    )


async def _message(client: Client) -> str:
    began = time.monotonic()
    conversation = await client.conversation_with(client.username)
    key, text = str(uuid.uuid4()), f"probe {__version__}"
    first = await client.post(conversation, text, key=key)
    if await client.post(conversation, text, key=key) != first:
        raise AnswerError("The same Idempotency-Key made two messages.")
    while True:
        try:
            events = {event["what"] for event in (await client.call("GET", f"/v1/messages/{first}/timeline")).json()}
        except AnswerError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            events = set()
        if "accepted" in events:
            return f"message {first} was accepted once, and stored after {time.monotonic() - began:.1f} s"
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise AnswerError(f"Message {first} was accepted and is not stored after {_PATIENCE_SECONDS:.0f} s.")
        await asyncio.sleep(_LOOK_SECONDS)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AnswerError(f"The probe's user cannot be read in {file}: {error}") from error
