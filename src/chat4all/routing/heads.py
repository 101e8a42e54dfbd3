"""Heads are cached between rounds. A cache belongs to one assignment and ends with it (invariant 4)."""

from collections.abc import Collection, Mapping, MutableMapping
from typing import Final

from cachetools import LRUCache

from chat4all.log.port import Assignment
from chat4all.model.rows import Head
from chat4all.store.port import Store

_MAX_CACHED_HEADS: Final = 20_000  # per assignment


class HeadCaches:
    """Each assignment has a cache of heads. An assignment is an object of its own each time, so nothing survives a
    rebalance."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._caches: dict[Assignment, MutableMapping[str, Head]] = {}

    async def load(self, wanted: Mapping[Assignment, Collection[str]]) -> dict[Assignment, dict[str, Head]]:
        """Return the heads of these conversations, from memory or with one read. A new conversation has none, and is
        absent."""
        cached = {
            assignment: {id_: head for id_ in ids if (head := self._cache(assignment).get(id_)) is not None}
            for assignment, ids in wanted.items()
        }
        missing = [id_ for assignment, ids in wanted.items() for id_ in ids if id_ not in cached[assignment]]
        if not missing:
            return cached
        stored = await self._store.heads(missing)
        # What moved meanwhile counts first; what was cached stays known, though the cache may have let go of it.
        return {
            assignment: {
                id_: head
                for id_ in ids
                if (head := self._cache(assignment).get(id_) or cached[assignment].get(id_) or stored.get(id_))
                is not None
            }
            for assignment, ids in wanted.items()
        }

    def moved(self, assignment: Assignment, heads: Mapping[str, Head]) -> None:
        """Cache these heads, which were written and acknowledged."""
        self._cache(assignment).update(heads)

    def keep_only(self, assignments: Collection[Assignment]) -> None:
        """Forget the heads of all other assignments."""
        for other in self._caches.keys() - set(assignments):
            del self._caches[other]

    def _cache(self, assignment: Assignment) -> MutableMapping[str, Head]:
        if assignment not in self._caches:
            self._caches[assignment] = LRUCache(_MAX_CACHED_HEADS)
        return self._caches[assignment]
