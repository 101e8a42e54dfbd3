"""Lanes: in order within a chat, no chat waits for another, and nothing is committed that is not done."""

import asyncio
from collections.abc import Sequence

import pytest

from chat4all.connectors.lanes import Lanes
from chat4all.log.port import Assignment
from chat4all.model.errors import EngineUnavailableError

P = Assignment("chat4all.outbound.x", 0)
Q = Assignment("chat4all.outbound.x", 1)


class Work:
    """Does what it is given; waits at a gate of the thing's own where there is one."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.again: dict[str, list[float | Exception]] = {}
        self.most = 0
        self._now = 0

    async def __call__(self, what: str) -> float | None:
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if what in self.gates:
                await self.gates[what].wait()
            await asyncio.sleep(0)
            if self.again.get(what):
                wait = self.again[what].pop(0)
                if isinstance(wait, Exception):
                    raise wait
                return wait
            self.did.append(what)
            return None
        finally:
            self._now -= 1


@pytest.fixture
def work() -> Work:
    return Work()


def lanes(work: Work, busy: int = 10, most: int = 1000) -> Lanes[str]:
    return Lanes(work, busy=busy, most=most)


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_lane_keeps_its_order_and_holds_up_no_other(work):
    made = lanes(work)
    work.gates["a1"] = asyncio.Event()
    for offset, what in enumerate(["a1", "b1", "a2", "b2"]):
        made.put(P, offset, what[:1].encode(), what)
    await until(lambda: len(work.did) == 2)
    assert work.did == ["b1", "b2"]
    assert made.done() == {P: 0}, "a1 is not done"
    work.gates["a1"].set()
    await until(lambda: made.waiting == 0)
    assert work.did == ["b1", "b2", "a1", "a2"]
    assert made.done() == {P: 4}


async def test_what_has_to_wait_waits_with_those_behind_it_only(work):
    made = lanes(work)
    work.again["a1"] = [0.05, 0.05]
    for offset, what in enumerate(["a1", "a2", "b1"]):
        made.put(P, offset, what[:1].encode(), what)
    await until(lambda: made.waiting == 0)
    assert work.did == ["b1", "a1", "a2"]


async def test_an_engine_that_is_away_is_no_poison(work, monkeypatch):
    monkeypatch.setattr("chat4all.connectors.lanes._RETRY_SECONDS", 0.01)
    made = lanes(work)
    work.again["a1"] = [EngineUnavailableError("store", "away"), EngineUnavailableError("store", "away")]
    made.put(P, 0, b"a", "a1")
    made.put(P, 1, b"a", "a2")
    await until(lambda: made.waiting == 0)
    assert work.did == ["a1", "a2"]
    assert not made.broken.is_set()


async def test_each_partition_has_its_own_mark(work):
    made = lanes(work)
    work.gates["a1"] = asyncio.Event()
    made.put(P, 7, b"a", "a1")
    made.put(Q, 3, b"b", "b1")
    made.skip(Q, 4)
    made.skip(P, 8)
    await until(lambda: work.did == ["b1"])
    assert made.done() == {P: 7, Q: 5}
    work.gates["a1"].set()
    await until(lambda: made.waiting == 0)
    assert made.done() == {P: 9, Q: 5}


async def test_not_more_are_busy_than_may_be(work):
    made = lanes(work, busy=2)
    for offset in range(20):
        made.put(P, offset, str(offset).encode(), str(offset))
    await until(lambda: made.waiting == 0)
    assert work.most == 2


async def test_there_is_room_for_so_many(work):
    made = lanes(work, most=2)
    work.gates["a1"] = asyncio.Event()
    made.put(P, 0, b"a", "a1")
    await made.room()
    made.put(P, 1, b"a", "a2")
    waiting = asyncio.create_task(made.room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    work.gates["a1"].set()
    await asyncio.wait_for(waiting, 60)
    await until(lambda: made.waiting == 0)


async def test_what_another_has_now_is_left_to_it(work):
    made = lanes(work)
    work.gates["a1"] = asyncio.Event()
    for offset, what in enumerate(["a1", "a2"]):
        made.put(P, offset, b"a", what)
    made.put(Q, 0, b"a", "a3")
    await until(lambda: work.most == 1)
    made.keep_only(frozenset({Q}))
    work.gates["a1"].set()
    await until(lambda: made.waiting == 0)
    assert work.did == ["a1", "a3"], "what was being done is finished, what waited is not begun"
    assert made.done() == {Q: 1}


async def test_at_the_end_what_is_being_done_is_finished(work):
    made = lanes(work)
    work.gates["a1"] = asyncio.Event()
    for offset, what in enumerate(["a1", "a2"]):
        made.put(P, offset, b"a", what)
    await until(lambda: work.most == 1)
    asyncio.get_running_loop().call_later(0.02, work.gates["a1"].set)
    await made.stop(seconds=5)
    assert work.did == ["a1"]
    assert made.done() == {P: 1}


async def test_a_fault_in_the_code_is_told(work, caplog):
    made = lanes(work)
    work.again["a1"] = [ZeroDivisionError()]
    made.put(P, 0, b"a", "a1")
    await asyncio.wait_for(made.broken.wait(), 60)
    assert made.done() == {P: 0}


# -- parking


class Parking:
    """A table in memory. `away`: how many calls fail first."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, bytes], dict[int, str]] = {}
        self.away = 0

    def _there(self) -> None:
        if self.away:
            self.away -= 1
            raise EngineUnavailableError("store", "gone")

    async def add(self, partition: int, lane: bytes, items: Sequence[tuple[int, str]]) -> None:
        self._there()
        self.rows.setdefault((partition, lane), {}).update(items)

    async def first(self, partition: int, lane: bytes) -> tuple[int, str] | None:
        self._there()
        return min(self.rows.get((partition, lane), {}).items(), default=None)

    async def remove(self, partition: int, lane: bytes, offset: int) -> None:
        self._there()
        self.rows.get((partition, lane), {}).pop(offset, None)

    async def lanes(self, partition: int) -> list[bytes]:
        self._there()
        return [lane for at, lane in self.rows if at == partition and self.rows[at, lane]]

    @property
    def held(self) -> list[str]:
        return [what for rows in self.rows.values() for _, what in sorted(rows.items())]


def parked(work: Work, parking: Parking) -> Lanes[str]:
    return Lanes(work, busy=10, most=3, parking=parking, parked_after=0.05)


async def test_a_lane_that_waits_for_long_keeps_neither_memory_nor_the_partition(work: Work) -> None:
    parking = Parking()
    made = parked(work, parking)
    work.again["a1"] = [0.2]
    for offset, what in enumerate(["a1", "a2", "b1"]):
        made.put(P, offset, what[:1].encode(), what)
    await until(lambda: parking.held == ["a1", "a2"])
    await until(lambda: made.done() == {P: 3})
    assert made.waiting == 0
    made.put(P, 3, b"a", "a3")
    await until(lambda: parking.held == ["a1", "a2", "a3"])
    assert work.did == ["b1"]
    await until(lambda: work.did == ["b1", "a1", "a2", "a3"])
    await until(lambda: parking.held == [])
    made.put(P, 4, b"a", "a4")
    await until(lambda: work.did[-1] == "a4")
    assert parking.held == [], "what waits no more is not parked"
    assert made.done() == {P: 5}


async def test_what_is_parked_is_gone_on_with_by_whoever_has_the_partition_next(work: Work) -> None:
    parking = Parking()
    await parking.add(0, b"a", [(7, "a2"), (3, "a1")])
    await parking.add(1, b"c", [(1, "c1")])
    made = parked(work, parking)
    work.again["a1"] = [0.01]
    await made.adopt(P)
    made.put(P, 9, b"a", "a3")
    made.put(P, 10, b"b", "b1")
    await until(lambda: len(work.did) == 4)
    assert [what for what in work.did if what.startswith("a")] == ["a1", "a2", "a3"]
    await until(lambda: parking.held == ["c1"])
    assert made.done() == {P: 11}


async def test_what_is_parked_under_a_partition_that_is_gone_is_left_there(work: Work) -> None:
    parking = Parking()
    made = parked(work, parking)
    work.again["a1"] = [0.3]
    made.put(P, 0, b"a", "a1")
    made.put(P, 1, b"a", "a2")
    await until(lambda: parking.held == ["a1", "a2"])
    made.keep_only(frozenset({Q}))
    await made.stop(seconds=1)
    assert parking.held == ["a1", "a2"]
    assert work.did == []


async def test_a_table_that_is_away_loses_nothing(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat4all.connectors.lanes._RETRY_SECONDS", 0.005)
    parking = Parking()
    made = parked(work, parking)
    work.again["a1"] = [0.1]
    for offset, what in enumerate(["a1", "a2", "a3"]):
        made.put(P, offset, b"a", what)
        parking.away += 1
    await until(lambda: work.did == ["a1", "a2", "a3"])
    await until(lambda: parking.held == [])
    assert made.done() == {P: 3}


async def test_a_stop_does_not_wait_for_a_lane_that_rests(work: Work) -> None:
    made = parked(work, Parking())
    work.again["a1"] = [3600.0]
    made.put(P, 0, b"a", "a1")
    await until(lambda: made.parked == 1)
    async with asyncio.timeout(60):
        await made.stop(seconds=60)
