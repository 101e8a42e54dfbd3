"""The same request is the same message (invariant 5; docs/adr/0005-idempotency-without-locks.md)."""

import logging

import msgspec

from chat4all.model import ids
from chat4all.model.errors import EngineUnavailableError, Refusal
from chat4all.model.rows import Answered
from chat4all.store.port import Store

_log = logging.getLogger(__name__)


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

    async def recall(self, asked: Asked) -> str | None:
        """The id that this very request was answered with before. Raises Refusal key-reused where another was."""
        if asked.key is None:
            return None
        try:
            answered = await self._store.answered(asked.sender, asked.key)
        except EngineUnavailableError as error:
            _log.warning("An Idempotency-Key was not checked: %s", error)
            return None
        if answered is None:
            return None
        if answered.request_hash != asked.digest:
            raise Refusal("key-reused", "This Idempotency-Key was used with another method, path or body.")
        return answered.message_id

    async def remember(self, asked: Asked, message_id: str) -> None:
        """Called when the record is in the log, before the answer."""
        if asked.key is None:
            return
        try:
            await self._store.put_answered(asked.sender, asked.key, Answered(asked.digest, message_id))
        except EngineUnavailableError as error:
            _log.warning("An Idempotency-Key was not remembered: %s", error)
