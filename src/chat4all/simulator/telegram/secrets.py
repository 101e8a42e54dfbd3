"""What must not stand in a log: the bots' tokens and the secrets of their webhooks, in a file for its owner only."""

import os
from pathlib import Path

import msgspec


class Secret(msgspec.Struct):
    """A bot's."""

    token: str
    secret_token: str = ""


class Secrets:
    """`path`: the file; it is replaced whole at each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._secrets: dict[int, Secret] = {}
        if path.exists():
            self._secrets = msgspec.json.decode(path.read_bytes(), type=dict[int, Secret])

    def of(self, bot: int) -> Secret:
        """Raises KeyError."""
        return self._secrets[bot]

    def bot(self, token: str) -> int | None:
        """Whose token it is."""
        number, _, _ = token.partition(":")
        if not (number.isascii() and number.isdigit()):
            return None
        bot = int(number)
        return bot if bot in self._secrets and self._secrets[bot].token == token else None

    def put(self, bot: int, secret: Secret) -> None:
        """Keep it, before anything that follows from it is told."""
        self._secrets[bot] = secret
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(self._secrets))
        new.replace(self._path)
