"""{base}/bot{token}/{method}: whose call it is, and of which method.

As process_query and the token's checks of https://github.com/tdlib/telegram-bot-api/tree/master/telegram-bot-api do it.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from cachetools import LRUCache

from chat4all_simulator.http.fields import Fields
from chat4all_simulator.telegram import events
from chat4all_simulator.telegram.methods.absent import ABSENT
from chat4all_simulator.telegram.methods.table import BY_LOWER_NAME
from chat4all_simulator.telegram.refusals import RefusedError, bad
from chat4all_simulator.telegram.secrets import Secrets
from chat4all_simulator.telegram.world import World

_TOKEN_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{24,}")
_MAX_KNOWN_PATHS: Final = 10_000


class Paths:
    """Finds the bot and the method of a path; paths that were right are remembered until a bot changes."""

    def __init__(self, world: World, secrets: Secrets) -> None:
        self._world = world
        self._secrets = secrets
        self._known: LRUCache[bytes, tuple[int, str]] = LRUCache(_MAX_KNOWN_PATHS)
        world.watchers.append(self._forget)

    def find(self, path: bytes, parameters: Fields) -> tuple[int, str]:
        """Return the bot's id and the method's name. Raises RefusedError."""
        return self._known.get(path) or self._look(path, parameters)

    def _forget(self, change: events.Change) -> None:
        if isinstance(change, events.BotMade):
            self._known.clear()

    def _look(self, path: bytes, parameters: Fields) -> tuple[int, str]:
        parts = unquote_to_bytes(path).decode("utf-8", "replace").split("/", 2)
        if not parts[1].startswith("bot") or len(parts) < 3:
            raise RefusedError(404, "Not Found")
        lowered = (parts[2] or parameters.get("method", "")).lower()
        bot = self._bot(parts[1].removeprefix("bot"), lowered)
        name = BY_LOWER_NAME.get(lowered)
        if name is None and lowered in ABSENT:
            raise RefusedError(501, f"Not Implemented: the simulator does not answer {lowered}")
        if name is None:
            raise RefusedError(404, "Not Found: method not found")
        if parts[2]:
            self._known[path] = bot, name
        return bot, name

    def _bot(self, token: str, method: str) -> int:
        number, colon, secret = token.partition(":")
        invalid = RefusedError(401, "Unauthorized: invalid token specified")
        if not colon or not number or token.startswith("0") or len(token.encode()) > 80:
            raise invalid
        if not re.fullmatch(r"-?[0-9]{1,19}", number):
            raise RefusedError(421, "Misdirected Request: unallowed token specified")
        bot = int(number)
        if not 0 < bot < 1 << 54:
            raise invalid
        if not _TOKEN_SECRET.fullmatch(secret) or self._secrets.bot(token) != bot or bot not in self._world.bots:
            raise bad("the bot has already been closed") if method == "close" else RefusedError(401, "Unauthorized")
        return bot
