"""The real spine under faults: one at every point, then random lives (machine.py), judged at every step and at the end.

SPINE_SEED and SPINE_LIVES in the environment choose others. A fault that was never hit fails the run.
"""

import os
import random

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test
from tests.unit.spine.engines import CHATS, EmbeddedEngines
from tests.unit.spine.faults import HITS, Fault
from tests.unit.spine.machine import API_POINTS, FAULTS, GARBAGE, RELAY_POINTS, Spine
from tests.unit.spine.world import World

from chat4all.model.rows import members_content

SEED = int(os.environ.get("SPINE_SEED", "20261122"))
LIVES = int(os.environ.get("SPINE_LIVES", "60"))


@pytest.mark.parametrize(("point", "fault"), FAULTS, ids=[f"{point}-{fault}" for point, fault in FAULTS])
async def test_one_fault_at_every_point(point, fault):
    """A router meets the fault while it does work of every kind; another takes over; the first may wake up late."""
    world = World(EmbeddedEngines())
    await world.open()
    first, second = world.seats
    known = await world.work([])
    await first.run()
    await world.work(known)
    await world.rewind(5)
    await first.run(point, fault)
    assert HITS[point, fault], "the point was not reached"
    known += await world.work(known)
    await world.silent()
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
    world = World(EmbeddedEngines())
    await world.open()
    first = await world.post("ana", CHATS[0], "before") or ""
    await world.seats[0].run()
    key = "key" if keyed else None
    world.api.arm(point, Fault.UNAVAILABLE)
    if point.startswith("store.index"):
        await world.edit(first, "ana", "changed", key)
    else:
        await world.post("ana", CHATS[0], "hello", key)
    assert HITS[point, Fault.UNAVAILABLE] or not keyed, "the point was not reached"
    world.api.disarm()
    if keyed and not point.startswith("store.index"):
        assert await world.post("ana", CHATS[0], "hello", key)
    await world.verdict()
    await world.close()


@pytest.mark.parametrize("point", RELAY_POINTS)
@pytest.mark.parametrize("fault", [Fault.CRASH, Fault.UNAVAILABLE])
async def test_the_relay_crashes(point, fault):
    """A notice that was appended and not taken out of the outbox is appended again, and skipped; none is lost."""
    world = World(EmbeddedEngines())
    await world.open()
    await world.change_members(CHATS[0], add=["carla"])
    world.api.arm(point, fault)
    await world.relay_outbox()
    assert HITS[point, fault], "the point was not reached"
    await world.seats[0].run()
    await world.verdict()
    rows = await world.store.history(CHATS[0], after_seq=0, limit=10)
    assert [row.content for row in rows] == [members_content(("carla",), ())]
    await world.close()


async def test_lives_with_every_fault_evenly(report):
    """Lives of a dozen faults each, dealt like cards: none comes again before all others had their turn."""
    chance = random.Random(SEED)
    HITS.clear()
    deck: list[tuple[str, Fault]] = []
    for _ in range(max(12, LIVES // 4)):
        world = World(EmbeddedEngines())
        await world.open()
        known: list[tuple[str, str]] = []
        for _ in range(12):
            deck = deck or chance.sample(FAULTS, len(FAULTS))
            await episode(world, chance, known, deck)
        await world.verdict()
        await world.close()
    tell(report, f"seed {SEED}, lives with every fault evenly")
    never = [f"{point} {fault}" for point, fault in FAULTS if not HITS[point, fault]]
    assert not never, f"never hit, so not tested: {never}"


async def episode(world, chance, known, deck):
    """Some work, one fault, and perhaps a rebalance, a late awakening, garbage, a repeat or a replay."""
    seat, other = chance.sample(world.seats, 2)
    await seat.wake()
    point, fault = deck.pop()
    known += await world.work(chance.sample(known, min(3, len(known))))
    await world.append(*chance.choice(GARBAGE))
    if known and chance.random() < 0.3:
        await world.delete(*chance.choice(known))
    if chance.random() < 0.2:
        await world.rewind(chance.randint(1, 30))
    await world.silent()  # the other has gone silent: all partitions are this one's
    before = HITS[point, fault]
    await seat.run(point, fault)
    if HITS[point, fault] == before:
        deck.insert(0, (point, fault))
    if chance.random() < 0.5:
        await world.silent()
        await other.run()
    if chance.random() < 0.5:
        await seat.wake()


def tell(report, title):
    """How often each fault was really hit."""
    report(f"{title}; faults hit:")
    for point in sorted({point for point, _ in HITS}):
        hits = {fault: count for (at, fault), count in sorted(HITS.items()) if at == point}
        report(f"  {point:28} " + ", ".join(f"{fault} {count}" for fault, count in hits.items()))


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
    tell(report, f"seed {SEED}, {LIVES} random lives")
    assert len(HITS) > len(FAULTS) // 4, "hardly a fault was hit: these were quiet lives"
