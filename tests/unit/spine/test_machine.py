"""The real spine under faults: one at every point, then random lives (machine.py), judged at every step and at the end.

SPINE_SEED and SPINE_LIVES in the environment choose others. A fault point that no life hit fails the run.
"""

import os

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.spine.faults import HITS, Fault
from tests.unit.spine.machine import API_POINTS, FAULTS, RELAY_POINTS, Spine
from tests.unit.spine.world import World

SEED = int(os.environ.get("SPINE_SEED", "20261122"))
LIVES = int(os.environ.get("SPINE_LIVES", "120"))


@pytest.mark.parametrize(("point", "fault"), FAULTS, ids=[f"{point}-{fault}" for point, fault in FAULTS])
async def test_one_fault_at_every_point(point, fault):
    """A router meets the fault while it does work of every kind; another takes over; the first may wake up late."""
    world = World()
    await world.open()
    first, second = world.seats
    known = await world.work([])
    await first.run()
    await world.work(known)
    await world.rewind(5)
    await first.run(point, fault)
    assert HITS[point, fault], "the point was not reached"
    known += await world.work(known)
    world.clock.now += 10.0
    await second.run()
    await first.wake()
    await world.work(known)
    await second.run()
    await world.verdict()
    await world.close()


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "without a key"])
@pytest.mark.parametrize("point", API_POINTS)
async def test_an_engine_fails_while_something_is_accepted(point, keyed):
    """The client does not know what became of it and, with a key, sends it again: it is said once."""
    world = World()
    await world.open()
    first = await world.post("ana", "chat-a", "before") or ""
    await world.seats[0].run()
    key = "key" if keyed else None
    world.api.arm(point, Fault.UNAVAILABLE)
    if point.startswith("store.index"):
        await world.edit(first, "ana", "changed", key)
    else:
        await world.post("ana", "chat-a", "hello", key)
    assert HITS[point, Fault.UNAVAILABLE] or not keyed, "the point was not reached"
    world.api.disarm()
    if keyed and not point.startswith("store.index"):
        assert await world.post("ana", "chat-a", "hello", key)
    await world.verdict()
    await world.close()


@pytest.mark.parametrize("point", RELAY_POINTS)
async def test_the_relay_crashes(point):
    """A notice that was appended and not taken out of the outbox is appended again, and skipped."""
    world = World()
    await world.open()
    await world.change_members("chat-a", add=["carla"])
    world.api.arm(point, Fault.CRASH)
    await world.relay_outbox()
    assert HITS[point, Fault.CRASH], "the point was not reached"
    await world.seats[0].run()
    await world.verdict()
    await world.close()


def test_random_lives(report):
    HITS.clear()
    run_state_machine_as_test(
        hypothesis.seed(SEED)(Spine),
        settings=hypothesis.settings(
            max_examples=LIVES,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
    points = sorted({point for point, _ in HITS})
    report(f"seed {SEED}, {LIVES} lives; faults hit:")
    for point in points:
        hits = {fault: count for (at, fault), count in sorted(HITS.items()) if at == point}
        report(f"  {point:28} " + ", ".join(f"{fault} {count}" for fault, count in hits.items()))
    wanted = set(FAULTS) | {(point, Fault.UNAVAILABLE) for point in API_POINTS}
    wanted |= {(point, Fault.CRASH) for point in RELAY_POINTS}
    never = sorted(f"{point} {fault}" for point, fault in wanted if not HITS[point, fault])
    assert not never, f"never hit, so not tested: {never}"
