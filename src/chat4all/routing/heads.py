"""Heads are cached between rounds. A cache belongs to one assignment and ends with it (invariant 4)."""

from collections.abc import Collection, Mapping
from typing import Final

from chat4all.log.port import Assignment
from chat4all.model.rows import Head
from chat4all.store.port import Store

_MAX_CACHED_HEADS: Final = 20_000  # per assignment


class HeadCaches:
    """Each assignment has a cache of heads. An assignment is an object of its own each time, so nothing survives a
    rebalance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._caches: dict[Assignment, dict[str, Head]] = {}

    async def load(self, wanted: Mapping[Assignment, Collection[str]]) -> dict[Assignment, dict[str, Head]]:
        """Return the heads of these conversations, from memory or with one read. A new conversation has none, and is
        absent."""
        missing = [
            conversation_id
            for assignment, ids in wanted.items()
            for conversation_id in ids
            if conversation_id not in self._cache(assignment)
        ]
        stored = await self._store.heads(missing) if missing else {}
        heads: dict[Assignment, dict[str, Head]] = {}
        for assignment, ids in wanted.items():
            cached = self._cache(assignment)
            both = {id_: cached.get(id_) or stored.get(id_) for id_ in ids}
            heads[assignment] = {id_: head for id_, head in both.items() if head is not None}
        return heads

    def moved(self, assignment: Assignment, heads: Mapping[str, Head]) -> None:
        """Cache these heads, which were written and acknowledged."""
        cache = self._cache(assignment)
        if len(cache) + len(heads) > _MAX_CACHED_HEADS:
            cache.clear()
        cache.update(heads)

    def keep_only(self, assignments: Collection[Assignment]) -> None:
        """Forget the heads of all other assignments."""
        for other in self._caches.keys() - set(assignments):
            del self._caches[other]

    def _cache(self, assignment: Assignment) -> dict[str, Head]:
        return self._caches.setdefault(assignment, {})
