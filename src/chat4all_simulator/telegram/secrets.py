"""What must not stand in a log: the bots' tokens and the secrets of their webhooks, in a file for its owner only."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from chat4all_simulator.journal import JournalError

HIDDEN: Final = "**********"  # stands for what must not be seen
_TOKEN: Final = re.compile(r"\d{1,16}:[A-Za-z0-9_-]{24,}")
_USER: Final = re.compile(r"//[^/@]*@")


class Secret(msgspec.Struct):
    """A bot's."""

    token: str
    secret_token: str = ""
    url: str = ""  # of the webhook, whole


class Secrets:
    """`path`: the file; it is replaced whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: dict[int, Secret] = {}
        if path.exists():
            try:
                self._secrets = msgspec.json.decode(path.read_bytes(), type=dict[int, Secret])
            except msgspec.MsgspecError as error:
                raise JournalError(f"{path} is damaged: {error}.") from error

    def of(self, bot: int) -> Secret:
        """Raises KeyError."""
        return self._secrets[bot]

    def check(self, bots: Iterable[int]) -> None:
        """Raises JournalError where one of these has no token here."""
        if lost := [bot for bot in bots if bot not in self._secrets]:
            raise JournalError(f"{self._path} has no token of bot {lost[0]}, which the log knows. Was it removed?")

    def hidden(self, text: str) -> str:
        """The same without tokens and without a user's password, as it may stand in a log."""
        return _USER.sub("//", _TOKEN.sub(HIDDEN, text))

    def bot(self, token: str) -> int | None:
        """Whose token it is."""
        number, _, _ = token.partition(":")
        if not (number.isascii() and number.isdigit()):
            return None
        bot = int(number)
        return bot if bot in self._secrets and self._secrets[bot].token == token else None

    def put(self, bot: int, secret: Secret) -> None:
        """Keep it, before anything that follows from it is told. The file is small: it is written where one stands."""
        self._secrets[bot] = secret
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self._secrets))
        new.replace(self._path)
