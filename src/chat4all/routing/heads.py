"""Heads kept between rounds. A cache belongs to one assignment and dies with it (invariant 4)."""

from collections.abc import Collection, Mapping
from typing import Final

from chat4all.log.port import Assignment
from chat4all.model.rows import Head
from chat4all.store.port import Store

_HELD: Final = 20_000  # heads per assignment


class HeadCaches:
    """A cache per assignment. An assignment is an object of its own each time, so nothing survives a rebalance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._caches: dict[Assignment, dict[str, Head]] = {}

    async def load(self, wanted: Mapping[Assignment, Collection[str]]) -> dict[Assignment, dict[str, Head]]:
        """The heads of these conversations, from memory or in one read. A new conversation has none."""
        missing = [
            conversation_id
            for assignment, ids in wanted.items()
            for conversation_id in ids
            if conversation_id not in self._cache(assignment)
        ]
        read = await self._store.heads(missing) if missing else {}
        found: dict[Assignment, dict[str, Head]] = {}
        for assignment, ids in wanted.items():
            known = self._cache(assignment)
            both = {id_: known.get(id_) or read.get(id_) for id_ in ids}
            found[assignment] = {id_: head for id_, head in both.items() if head is not None}
        return found

    def moved(self, assignment: Assignment, heads: Mapping[str, Head]) -> None:
        """These heads were written and acknowledged."""
        cache = self._cache(assignment)
        if len(cache) + len(heads) > _HELD:
            cache.clear()
        cache.update(heads)

    def keep_only(self, assignments: Collection[Assignment]) -> None:
        """Everything kept for any other assignment is forgotten."""
        for gone in self._caches.keys() - set(assignments):
            del self._caches[gone]

    def _cache(self, assignment: Assignment) -> dict[str, Head]:
        return self._caches.setdefault(assignment, {})
