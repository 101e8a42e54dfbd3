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
_URL_USER: Final = re.compile(r"//[^/@]*@")


class Secret(msgspec.Struct):
    """A bot's token, and the secret and the address of its webhook."""

    token: str
    secret_token: str = ""
    url: str = ""  # of the webhook, whole


class Secrets:
    """The bots' secrets in the file `path`, which is replaced whole at each change. Raises JournalError if damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: dict[int, Secret] = {}
        if path.exists():
            try:
                self._secrets = msgspec.json.decode(path.read_bytes(), type=dict[int, Secret])
            except msgspec.MsgspecError as error:
                raise JournalError(f"{path} is damaged: {error}.") from error

    def of(self, bot: int) -> Secret:
        """Return a bot's secret. Raises KeyError if it has none."""
        return self._secrets[bot]

    def check(self, bots: Iterable[int]) -> None:
        """Check that each of these bots has a token here. Raises JournalError if one has not."""
        if missing := [bot for bot in bots if bot not in self._secrets]:
            raise JournalError(f"{self._path} has no token of bot {missing[0]}, which the log knows. Was it removed?")

    def hidden(self, text: str) -> str:
        """Return the text without tokens and without a URL's user and password, as it may stand in a log."""
        return _URL_USER.sub("//", _TOKEN.sub(HIDDEN, text))

    def bot(self, token: str) -> int | None:
        """Return the id of the bot whose token it is; None if it is nobody's."""
        number, _, _ = token.partition(":")
        if not (number.isascii() and number.isdigit()):
            return None
        bot = int(number)
        return bot if bot in self._secrets and self._secrets[bot].token == token else None

    def put(self, bot: int, secret: Secret) -> None:
        """Keep it before anything that follows from it is noted. The file is small: it is written without a thread."""
        self._secrets[bot] = secret
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self._secrets))
        new.replace(self._path)
