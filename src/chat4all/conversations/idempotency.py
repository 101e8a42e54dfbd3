"""The same request is the same message (invariant 5; docs/adr/0005-idempotency-without-locks.md)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec

from chat4all.model import ids
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.model.rows import KeyedAnswer
from chat4all.store.port import Store

_log = logging.getLogger(__name__)

T = TypeVar("T")

# For one request in sum, on account of its key. With the time that the log may take it is less than clients wait for an
# answer; and a store that works answers in some milliseconds.
STORE_WAIT_SECONDS: Final = 3.0


class KeyedRequest(msgspec.Struct, frozen=True):
    """Says who asks for what. `key`: the Idempotency-Key, if any; `digest`: `ids.request_hash` of the request."""

    sender: str
    key: str | None
    digest: str

    @property
    def id(self) -> str:
        """The id of what the request creates: with a key the same for the same request, else a new one each time."""
        return ids.new_id() if self.key is None else ids.keyed_id(self.sender, self.key, self.digest)


class Idempotency:
    """Knows what keys were used for. While the store is down, keyed requests go on: their ids still make them one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, asked: KeyedRequest) -> "Keyed":
        """Return what looks up and remembers this request's key."""
        return Keyed(self._store, asked)


class Keyed:
    """Looks up one request's key before it is done, and remembers it after. Both wait STORE_WAIT_SECONDS for the store
    in sum."""

    def __init__(self, store: Store, asked: KeyedRequest) -> None:
        self._store = store
        self._asked = asked
        self._seconds_left = STORE_WAIT_SECONDS

    async def recall(self) -> str | None:
        """Return the id that this request was answered with before, if it was. Raises Refusal key-reused where the key
        was used for another request."""
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
        """Remember the id under the key. It is called when the record is in the log, before the answer."""
        key = self._asked.key
        if key is None:
            return
        answered = KeyedAnswer(self._asked.digest, message_id)
        try:
            await self._in_time(lambda: self._store.put_answered(self._asked.sender, key, answered))
        except EngineUnavailableError as error:
            _log.warning("An Idempotency-Key was not remembered: %s", error)

    async def _in_time(self, query: Callable[[], Awaitable[T]]) -> T:
        """Return what the query does. Raises EngineUnavailableError; at once, where no time is left."""
        if self._seconds_left <= 0:
            raise EngineUnavailableError("store", "this request has waited for it long enough")
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds_left):
                return await query()
        except TimeoutError as error:
            self._seconds_left = 0.0
            raise EngineUnavailableError("store", f"no answer in {STORE_WAIT_SECONDS:g} s") from error
        finally:
            self._seconds_left -= time.monotonic() - began
