"""Loops that are told to end: what is cancelled ends, and what does not hear it does not hold up the others."""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from chat4all import futures
from chat4all.directory.sql.engine import Sql
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.processes.loops import Loops
from chat4all.realtime.redis.realtime import RedisRealtime
from chat4all.realtime.redis.subscription import Subscription

FOR_EVER = 60.0


class Deaf:
    """A loop that takes so many cancellations for somebody else's."""

    def __init__(self, times: int) -> None:
        self.heard = 0
        self._times = times

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(FOR_EVER)
            except asyncio.CancelledError:
                self.heard += 1
                if self.heard > self._times:
                    raise


@pytest.mark.parametrize("times", [0, 1, futures._MAX_CANCELS - 1])
async def test_a_loop_is_told_to_end_until_it_hears_it(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futures, "_CANCEL_SECONDS", 0.01)
    deaf, loops = Deaf(times), Loops()
    loops.start("deaf", deaf.run())
    await asyncio.sleep(0)
    await loops.stop()
    assert deaf.heard == times + 1
    assert not loops.broken


async def test_one_that_never_hears_is_left_and_the_others_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(futures, "_CANCEL_SECONDS", 0.01)
    other, deaf, loops = Deaf(0), Deaf(futures._MAX_CANCELS), Loops()
    for name, loop in (("other", other), ("deaf", deaf)):
        loops.start(name, loop.run())
    await asyncio.sleep(0)
    await loops.stop()
    assert (deaf.heard, other.heard) == (futures._MAX_CANCELS, 1)
    assert [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"] == [
        "Loop deaf does not end, and is left"
    ]


async def test_a_loop_that_itself_tells_a_task_to_end_does_so_until_that_hears_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(futures, "_CANCEL_SECONDS", 0.01)
    inner = Deaf(futures._MAX_CANCELS - 2)
    task = asyncio.create_task(inner.run())

    async def outer() -> None:
        try:
            await asyncio.sleep(FOR_EVER)
        finally:
            await futures.cancelled(task)

    loops = Loops()
    loops.start("outer", outer())
    await asyncio.sleep(0)
    await loops.stop()
    ended = task.done()
    await futures.cancelled(task)
    assert ended, "it was left, for the loop was told again meanwhile"
    assert not loops.broken


async def test_a_cancellation_that_comes_with_the_answer_of_a_database_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = Sql.in_file(tmp_path / "a.db")
    answered = sql._answered

    def cancelled_as_it_comes(answer: object) -> None:
        answered(answer)
        asking.cancel()

    monkeypatch.setattr(sql, "_answered", cancelled_as_it_comes)
    asking = asyncio.create_task(sql.all(sa.select(1)))
    with pytest.raises(asyncio.CancelledError):
        await asking
    await sql.close()


async def test_a_subscription_ends_though_its_library_takes_a_cancellation_for_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = Deaf(1)

    async def run(subscription: Subscription) -> None:
        subscription.listening.set()
        await deaf.run()

    monkeypatch.setattr(Subscription, "run", run)
    monkeypatch.setattr(futures, "_CANCEL_SECONDS", 0.01)
    realtime = RedisRealtime(RedisSettings())
    async with asyncio.timeout(FOR_EVER), realtime.subscribe("gateway"):
        await asyncio.sleep(0)
    assert deaf.heard == 2
    await realtime.close()
