"""Every sabotaged variant is caught, and the real one passes the very same interleaving.

The directed interleavings find each in one go; random lives must find each as well, but for the cached head, which they
rarely do.
"""

from typing import Any

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.spine.engines import EmbeddedEngines, Engines
from tests.unit.spine.faults import Fault
from tests.unit.spine.machine import Spine
from tests.unit.spine.sabotage import SABOTAGED
from tests.unit.spine.world import World

RARE = "a cached head kept across assignments"


async def the_log_is_away(world: World) -> None:
    world.api.arm("log.append:before", Fault.UNAVAILABLE)
    await world.post("ana", world.chats[0], "hello")


async def crash_after_the_first_effect(world: World) -> None:
    assert await world.work([])
    first = world.seats[0]
    await first.run("store.put_rows:before", Fault.CRASH)
    await first.crash()


async def a_reader_looks_between_head_and_rows(world: World) -> None:
    assert await world.work([])
    await world.seats[0].run("store.put_heads:after", Fault.CRASH)


async def a_client_repeats_while_the_store_is_away(world: World) -> None:
    key = f"key of {world.chats[0]}"
    assert await world.post("ana", world.chats[0], "once", key)
    await world.seats[0].run()
    world.api.arm("store.answered:before", Fault.UNAVAILABLE)
    assert await world.post("ana", world.chats[0], "once", key)


async def a_partition_goes_and_comes_back(world: World) -> None:
    """The first router routes, goes silent, the second routes on, goes silent, the first takes over again."""
    first, second = world.seats
    assert await world.post("ana", world.chats[0], "one")
    await first.run()
    await world.silent()
    assert await world.post("ana", world.chats[0], "two")
    await second.run()
    await world.silent()
    assert await world.post("ana", world.chats[0], "three")
    await first.run()


async def a_router_wakes_up_late(world: World) -> None:
    """The first is about to write a head, sleeps; the second takes over and goes on; then the first wakes."""
    first, second = world.seats
    assert await world.post("ana", world.chats[0], "one")
    await first.run("store.put_heads:before", Fault.PAUSE)
    await world.silent()
    assert await world.post("ana", world.chats[0], "two")
    await second.run()
    await first.wake()


INTERLEAVINGS = {
    "202 before the append": the_log_is_away,
    "commit before the store": crash_after_the_first_effect,
    "head before the rows": a_reader_looks_between_head_and_rows,
    "dedupe off": a_client_repeats_while_the_store_is_away,
    "a cached head kept across assignments": a_partition_goes_and_comes_back,
    "wall-clock timestamps": a_router_wakes_up_late,
}


async def live(name: str, engines: Engines, **made: Any) -> None:
    interleaving, world = INTERLEAVINGS[name], World(engines, **made)
    await world.open()
    try:
        await interleaving(world)
        await world.verdict()
    finally:
        await world.close()


@pytest.mark.parametrize("name", SABOTAGED)
async def test_the_directed_interleaving_catches(name):
    with pytest.raises(AssertionError):
        await live(name, EmbeddedEngines(**SABOTAGED[name].engines), **SABOTAGED[name].world)


@pytest.mark.parametrize("name", SABOTAGED)
async def test_the_real_one_survives(name):
    await live(name, EmbeddedEngines())


@pytest.mark.parametrize("name", [name for name in SABOTAGED if name != RARE])
def test_random_lives_catch(name):
    class Sabotaged(Spine):
        made = SABOTAGED[name].world
        engines = SABOTAGED[name].engines

    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            hypothesis.seed(3)(Sabotaged),
            settings=hypothesis.settings(
                max_examples=150,
                stateful_step_count=25,
                deadline=None,
                database=None,
                phases=[hypothesis.Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
