"""Receipts of a session (invariant 7): gathered to a record per conversation and interval, none lost, none undone."""

import asyncio
import dataclasses
import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.gateway.receipts import Receipts
from chat4all.model.delivery import Cursor
from chat4all.model.errors import EngineUnavailableError

EVERY = 1.0
NEVER = float("inf")


@dataclasses.dataclass
class Bench:
    """Receipts with a clock that stands still, and a log that keeps what it is sent, unless it is away."""

    now: float = 100.0
    away: bool = False
    records: list[dict[str, Cursor]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.receipts = Receipts(self._send, EVERY, clock=lambda: self.now)

    async def _send(self, cursors: Mapping[str, Cursor]) -> None:
        if self.away:
            raise EngineUnavailableError("log", "it is away")
        self.records.append(dict(cursors))

    async def pass_time(self, seconds: float) -> None:
        """Let the clock go on; what falls due is flushed when it does."""
        end = self.now + seconds
        while self.receipts.due <= end:
            self.now = max(self.now, self.receipts.due)
            await self.receipts.flush()
        self.now = end


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_nothing_is_due_before_anything_was_said(bench: Bench) -> None:
    assert bench.receipts.due == NEVER


def test_the_first_receipt_is_due_at_once(bench: Bench) -> None:
    """A sender is not kept waiting for the interval."""
    bench.receipts.note("chat", delivered_seq=1)
    assert bench.receipts.due <= bench.now


async def test_nothing_is_sent_where_nothing_waits(bench: Bench) -> None:
    await bench.receipts.flush()
    assert bench.records == []


async def test_what_was_sent_is_not_sent_again(bench: Bench) -> None:
    bench.receipts.note("chat", delivered_seq=3)
    await bench.receipts.flush()
    await bench.receipts.flush()
    bench.receipts.note("chat", delivered_seq=3)
    assert bench.receipts.due == NEVER
    await bench.receipts.flush()
    assert bench.records == [{"chat": Cursor(3, 0)}]


async def test_the_next_receipt_waits_for_the_interval(bench: Bench) -> None:
    bench.receipts.note("chat", delivered_seq=1)
    await bench.receipts.flush()
    bench.now += 0.3
    bench.receipts.note("chat", delivered_seq=2)
    assert bench.receipts.due == pytest.approx(100.0 + EVERY)


async def test_many_receipts_become_one_record_with_the_furthest(bench: Bench) -> None:
    for seq in range(1, 51):
        bench.receipts.note("chat", delivered_seq=seq)
        bench.receipts.note("chat", read_seq=seq // 2)
    await bench.receipts.flush()
    assert bench.records == [{"chat": Cursor(50, 25)}]


async def test_conversations_that_did_not_move_are_left_out(bench: Bench) -> None:
    bench.receipts.note("one", delivered_seq=1)
    bench.receipts.note("two", delivered_seq=1)
    await bench.receipts.flush()
    bench.receipts.note("two", read_seq=1)
    await bench.receipts.flush()
    assert bench.records == [{"one": Cursor(1, 0), "two": Cursor(1, 0)}, {"two": Cursor(1, 1)}]


@pytest.mark.parametrize(
    ("said", "cursor"),
    [
        ([(5, 0), (3, 0)], Cursor(5, 0)),
        ([(0, 5), (0, 3)], Cursor(5, 5)),
        ([(5, 0), (0, 3)], Cursor(5, 3)),
        ([(3, 0), (0, 5)], Cursor(5, 5)),
        ([(0, 5), (9, 0)], Cursor(9, 5)),
    ],
    ids=["acks go back", "reads go back", "read less than acked", "what is read was delivered", "acked beyond read"],
)
async def test_receipts_only_move_forward(bench: Bench, said: list[tuple[int, int]], cursor: Cursor) -> None:
    for delivered, read in said:
        bench.receipts.note("chat", delivered_seq=delivered, read_seq=read)
    await bench.receipts.flush()
    assert bench.records == [{"chat": cursor}]


async def test_a_receipt_of_nothing_is_none(bench: Bench) -> None:
    bench.receipts.note("chat", delivered_seq=0, read_seq=0)
    assert bench.receipts.due == NEVER


async def test_receipts_are_kept_while_the_log_is_away(bench: Bench) -> None:
    """They go with the next try, an interval later, together with what came meanwhile."""
    bench.away = True
    bench.receipts.note("one", delivered_seq=1)
    bench.receipts.note("two", delivered_seq=4)
    await bench.receipts.flush()
    assert bench.receipts.due == pytest.approx(bench.now + EVERY)
    bench.receipts.note("two", read_seq=2)
    bench.away = False
    await bench.receipts.flush()
    assert bench.records == [{"one": Cursor(1, 0), "two": Cursor(4, 2)}]
    assert bench.receipts.due == NEVER


async def test_what_is_said_while_a_record_is_on_its_way_goes_with_the_next() -> None:
    records: list[dict[str, Cursor]] = []
    arrived, proceed = asyncio.Event(), asyncio.Event()

    async def slow(cursors: Mapping[str, Cursor]) -> None:
        arrived.set()
        await proceed.wait()
        records.append(dict(cursors))

    receipts = Receipts(slow, EVERY)
    receipts.note("chat", delivered_seq=1)
    flushing = asyncio.create_task(receipts.flush())
    await arrived.wait()
    receipts.note("chat", delivered_seq=2)
    proceed.set()
    await flushing
    await receipts.flush()
    assert records == [{"chat": Cursor(1, 0)}, {"chat": Cursor(2, 0)}]


async def test_while_the_log_fails_later_receipts_are_not_undone() -> None:
    """A failed record must not put older numbers over those that came while it was on its way."""
    records: list[dict[str, Cursor]] = []
    arrived, fail = asyncio.Event(), asyncio.Event()

    async def failing_once(cursors: Mapping[str, Cursor]) -> None:
        if not arrived.is_set():
            arrived.set()
            await fail.wait()
            raise EngineUnavailableError("log", "it is away")
        records.append(dict(cursors))

    receipts = Receipts(failing_once, EVERY)
    receipts.note("chat", delivered_seq=1)
    receipts.note("other", delivered_seq=7)
    flushing = asyncio.create_task(receipts.flush())
    await arrived.wait()
    receipts.note("chat", delivered_seq=2)
    fail.set()
    await flushing
    await receipts.flush()
    assert records == [{"chat": Cursor(2, 0), "other": Cursor(7, 0)}]


async def test_a_flush_that_is_broken_off_loses_nothing() -> None:
    """The client leaves while its receipt is on its way: the flush at the end of the session sends it again."""
    records: list[dict[str, Cursor]] = []
    arrived = asyncio.Event()

    async def hanging_once(cursors: Mapping[str, Cursor]) -> None:
        if not arrived.is_set():
            arrived.set()
            await asyncio.Event().wait()
        records.append(dict(cursors))

    receipts = Receipts(hanging_once, EVERY)
    receipts.note("chat", delivered_seq=1)
    flushing = asyncio.create_task(receipts.flush())
    await arrived.wait()
    flushing.cancel()
    await asyncio.gather(flushing, return_exceptions=True)
    await receipts.flush()
    assert records == [{"chat": Cursor(1, 0)}]


STEP = st.one_of(
    st.tuples(st.just("ack"), st.sampled_from(["one", "two"]), st.integers(0, 30)),
    st.tuples(st.just("read"), st.sampled_from(["one", "two"]), st.integers(0, 30)),
    st.tuples(st.just("wait"), st.just(""), st.integers(0, 25)),
    st.tuples(st.just("away"), st.just(""), st.integers(0, 1)),
)


@given(steps=st.lists(STEP, max_size=60))
def test_whatever_a_client_says(steps: list[tuple[str, str, int]]) -> None:
    """At most a record per conversation and interval, each further than the one before, the last one the furthest."""

    async def live() -> None:
        bench = Bench()
        said: dict[str, Cursor] = {}
        for what, chat, number in steps:
            match what:
                case "ack" | "read":
                    delivered, read = (number, 0) if what == "ack" else (0, number)
                    bench.receipts.note(chat, delivered_seq=delivered, read_seq=read)
                    said[chat] = said.get(chat, Cursor()).advanced(delivered, read)
                case "wait":
                    await bench.pass_time(number / 10)
                case _:
                    bench.away = bool(number)
        bench.away = False
        await bench.pass_time(2 * EVERY)
        assert bench.receipts.due == NEVER
        assert len(bench.records) <= (bench.now - 100.0) // EVERY + 1
        for chat in ("one", "two"):
            sent = [record[chat] for record in bench.records if chat in record]
            steps_on = itertools.pairwise(sent)
            assert all(old.advanced(new.delivered_seq, new.read_seq) == new != old for old, new in steps_on)
            assert sent[-1:] == [said[chat]] if said.get(chat, Cursor()) != Cursor() else sent == []

    asyncio.run(live())
