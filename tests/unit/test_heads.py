"""Cached heads: whatever a cache lets go of, a conversation that has messages is never taken for a new one."""

from typing import Any

import pytest

from chat4all.log.port import Assignment
from chat4all.model.rows import Head
from chat4all.routing import heads
from chat4all.routing.heads import HeadCaches


def head(conversation, seq):
    return Head(conversation_id=conversation, last_seq=seq, position=seq, last_at=seq)


class Store:
    """Keeps heads; `meanwhile` is called while somebody waits for its answer."""

    def __init__(self, *kept):
        self.kept = {one.conversation_id: one for one in kept}
        self.questions = []
        self.meanwhile = lambda: None

    async def heads(self, ids):
        self.questions.append(sorted(ids))
        self.meanwhile()
        return {id_: self.kept[id_] for id_ in ids if id_ in self.kept}


@pytest.fixture
def caches(monkeypatch):
    monkeypatch.setattr(heads, "_MAX_CACHED_HEADS", 2)
    store: Any = Store(head("a", 1), head("b", 2), head("c", 3))
    return HeadCaches(store)


PARTITION = Assignment("topic", 0)


async def test_what_moved_is_not_asked_for_again_as_long_as_it_is_cached(caches):
    caches.moved(PARTITION, {"a": head("a", 7)})
    assert await caches.load({PARTITION: ["a"]}) == {PARTITION: {"a": head("a", 7)}}
    assert caches._store.questions == []


async def test_what_was_let_go_of_is_asked_for_again(caches):
    for name in ("a", "b", "c"):
        caches.moved(PARTITION, {name: caches._store.kept[name]})
    assert (await caches.load({PARTITION: ["a"]}))[PARTITION]["a"].last_seq == 1
    assert caches._store.questions == [["a"]]


async def test_what_is_let_go_of_while_others_are_read_stays_known(caches):
    caches.moved(PARTITION, {"a": head("a", 7)})
    del caches._store.kept["a"]
    caches._store.meanwhile = lambda: caches.moved(PARTITION, {"x": head("x", 1), "y": head("y", 1)})
    loaded = (await caches.load({PARTITION: ["a", "b"]}))[PARTITION]
    assert {name: one.last_seq for name, one in loaded.items()} == {"a": 7, "b": 2}


async def test_what_moves_while_others_are_read_counts(caches):
    caches.moved(PARTITION, {"a": head("a", 7)})
    caches._store.meanwhile = lambda: caches.moved(PARTITION, {"a": head("a", 8)})
    assert (await caches.load({PARTITION: ["a", "b"]}))[PARTITION]["a"].last_seq == 8


async def test_another_assignment_of_the_same_partition_knows_nothing(caches):
    caches.moved(PARTITION, {"a": head("a", 7)})
    again = Assignment("topic", 0)
    assert (await caches.load({again: ["a"]}))[again]["a"].last_seq == 1


async def test_a_new_conversation_has_no_head(caches):
    assert await caches.load({PARTITION: ["new"]}) == {PARTITION: {}}
