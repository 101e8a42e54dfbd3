"""Which connectors wait to be looked at: each once, by one at a time, and later where something failed."""

import asyncio

import pytest

from chat4all_operator.backlog import Backlog
from chat4all_operator.metrics import Metrics

SECONDS = 20.0  # a deadline, which only a fault reaches


@pytest.fixture
def backlog() -> Backlog:
    return Backlog(Metrics())


async def taken(backlog: Backlog) -> str:
    async with asyncio.timeout(SECONDS):
        return await backlog.take()


async def waits(backlog: Backlog) -> bool:
    """Whether nothing is to be had now."""
    asking = asyncio.ensure_future(backlog.take())
    for _ in range(5):
        await asyncio.sleep(0)
    if asking.done():
        return False
    asking.cancel()
    return True


async def test_each_is_taken_once_in_the_order_in_which_they_came(backlog: Backlog) -> None:
    for name in ("b", "a", "b", "c", "a"):
        backlog.add(name)
    assert [await taken(backlog) for _ in range(3)] == ["b", "a", "c"]
    assert await waits(backlog)


async def test_one_that_is_looked_at_is_given_to_nobody_else_and_again_afterwards(backlog: Backlog) -> None:
    backlog.add("a")
    assert await taken(backlog) == "a"
    backlog.add("a")
    assert await waits(backlog)
    backlog.add("b")
    assert await taken(backlog) == "b"
    backlog.done("a", failed=False)
    assert await taken(backlog) == "a"


async def test_whoever_waits_is_told(backlog: Backlog) -> None:
    asking = asyncio.ensure_future(taken(backlog))
    await asyncio.sleep(0)
    backlog.add("a")
    assert await asking == "a"


async def test_later_comes_by_itself_or_when_something_happens_before(backlog: Backlog) -> None:
    backlog.add_later("a", 0.01)
    assert await taken(backlog) == "a"
    backlog.done("a", failed=False)
    backlog.add_later("a", 3600)
    backlog.add("a")
    assert await taken(backlog) == "a"
    backlog.done("a", failed=False)
    assert await waits(backlog)


async def test_what_failed_comes_again_after_longer_and_longer_waits(backlog: Backlog) -> None:
    loop, waits = asyncio.get_running_loop(), []
    for _ in range(12):
        backlog.add("a")
        await taken(backlog)
        backlog.done("a", failed=True)
        waits.append(backlog._later["a"].when() - loop.time())
    assert 0.2 <= waits[0] <= 0.6
    assert waits[0] < waits[3] < waits[6]
    assert all(14 <= one <= 31 for one in waits[-3:]), "bounded"
    backlog.add("a")
    await taken(backlog)
    backlog.done("a", failed=False)
    backlog.add("a")
    await taken(backlog)
    backlog.done("a", failed=True)
    assert backlog._later["a"].when() - loop.time() <= 0.6, "it begins again with the first wait"
    backlog.close()


async def test_how_many_wait_is_counted() -> None:
    metrics = Metrics()
    backlog = Backlog(metrics)
    for name in ("a", "b", "a"):
        backlog.add(name)
    assert metrics.registry.get_sample_value("chat4all_operator_queue_objects") == 2
    await taken(backlog)
    assert metrics.registry.get_sample_value("chat4all_operator_queue_objects") == 1


async def test_nothing_comes_after_its_end(backlog: Backlog) -> None:
    backlog.add_later("a", 0.01)
    timer = backlog._later["a"]
    backlog.close()
    assert timer.cancelled()
    assert await waits(backlog)
