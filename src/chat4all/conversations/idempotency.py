"""The same request is the same message (invariant 5; docs/adr/0005-idempotency-without-locks.md)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from chat4all.model import ids
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.model.rows import Answered
from chat4all.store.port import Store

_log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds that one request waits for the store on account of its key. Together with the time that the log may take it
# is less than what clients wait for an answer; and a store that works answers in some milliseconds.
WAITS: Final = 3.0


class Asked(msgspec.Struct, frozen=True):
    """Who asks for what. `key`: the Idempotency-Key, if any; `digest`: `ids.request_hash` of the request."""

    sender: str
    key: str | None
    digest: str

    @property
    def id(self) -> str:
        """The id of what this makes: the same for the same request with the same key, else a fresh one each time."""
        return ids.new_id() if self.key is None else ids.keyed_id(self.sender, self.key, self.digest)


class Idempotency:
    """What keys were used for. When the store is down, keyed requests go on: their ids still make them one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, asked: Asked) -> "Keyed":
        """What is known of this request's key, and will be."""
        return Keyed(self._store, asked)


class Keyed:
    """One request and its key. All that it waits for the store, before and after, is WAITS in sum."""

    def __init__(self, store: Store, asked: Asked) -> None:
        self._store = store
        self._asked = asked
        self._left = WAITS

    async def recall(self) -> str | None:
        """The id that this very request was answered with before. Raises Refusal key-reused where another was."""
        key = self._asked.key
        if key is None:
            return None
        try:
            answered = await self._in_time(lambda: self._store.answered(self._asked.sender, key))
        except EngineUnavailableError as error:
            _log.warning("An Idempotency-Key was not checked: %s", error)
            return None
        if answered is None:
            return None
        if answered.request_hash != self._asked.digest:
            raise Refusal("key-reused", "This Idempotency-Key was used with another method, path or body.")
        return answered.message_id

    async def remember(self, message_id: str) -> None:
        """Called when the record is in the log, before the answer."""
        key = self._asked.key
        if key is None:
            return
        answered = Answered(self._asked.digest, message_id)
        try:
            await self._in_time(lambda: self._store.put_answered(self._asked.sender, key, answered))
        except EngineUnavailableError as error:
            _log.warning("An Idempotency-Key was not remembered: %s", error)

    async def _in_time(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Raises EngineUnavailableError; without asking, where nothing is left of the time."""
        if self._left <= 0:
            raise EngineUnavailableError("store", "this request has waited for it long enough")
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                return await ask()
        except TimeoutError as error:
            self._left = 0.0
            raise EngineUnavailableError("store", f"no answer in {WAITS:g} s") from error
        finally:
            self._left -= time.monotonic() - began
