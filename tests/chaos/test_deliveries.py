"""Each phone gets its messages in order, none missing, none more often than attempts were in doubt; whatever happens.

Messages to many chats at the simulator's limits, with every fault that it knows on calls and updates, while the process
dies at named points within and between calls. The judge is the simulator's log.
"""

import random
from pathlib import Path

import pytest
from tests.chaos.deliveries import (
    FAULTS,
    LEASE,
    OPEN,
    UPDATE_FAULTS,
    Load,
    Rules,
    Run,
    Told,
    by_turns,
    faults_of,
    held_up,
)
from tests.chaos.hub import Hub, deaths
from tests.chaos.length import IS_LONG, SEED, length_of
from tests.chaos.people import simulated, simulating

LENGTH = length_of("deliveries")
POINTS = dict.fromkeys(OPEN, 20) | {"settled": 20, "receipts": 20, "handed": 3}  # the latest passing of each
FIRST = ("answered", 70)  # not before chats were parked while others went on
CHANCE = random.Random(SEED)
HOPELESS = 15.0  # seconds without a move after which a sabotaged connector has lost what is missing
WHOLE = Load(
    chats=LENGTH.wide,
    outbound=LENGTH.work,
    inbound=LENGTH.work // 2,
    calls=FAULTS if IS_LONG else by_turns(FAULTS, 5),
    updates=UPDATE_FAULTS if IS_LONG else by_turns(UPDATE_FAULTS, 4),
    deaths=[FIRST, *((point, min(nth, POINTS[point])) for point, nth in deaths([*POINTS], LENGTH.kills - 1, CHANCE))],
    goes_on=True,
)


async def told(folder: Path, load: Load, *program: str) -> Told:
    async with simulating(folder) as simulator:
        hub = Hub(folder, *program)
        if program:
            hub.still = HOPELESS
        simulated(simulator, hub, webhook=True, seconds=LEASE)
        return await Run(simulator, hub, load, SEED).tell()


async def test_each_phone_gets_all_of_it_in_order_and_nothing_more_often_than_is_owned_up_to(tmp_path, report):
    what = await told(tmp_path, WHOLE)
    hit = {one["rule"] for one in what.entries if one["what"] == "fault"}
    doubts = sum(what.doubts.values())
    sent = sum(one["what"] == "message" and one["message"]["from"]["is_bot"] for one in what.entries)
    report(
        f"seed {SEED}: {sum(map(len, what.texts.values()))} messages to {WHOLE.chats} chats, {sent} shown, "
        f"{doubts} attempts in doubt; deaths and the attempts they left without an end: {what.left}"
    )
    parked, held = held_up(what)
    report(f"{parked} times a chat was parked while others had something to be sent")
    assert faults_of(what) == []
    assert held == []
    assert parked > 0
    assert len(what.left) == LENGTH.kills
    assert all(left for point, left in what.left if point in OPEN)
    assert hit == {*FAULTS, *UPDATE_FAULTS}, "a fault that never happened proves nothing"


def later(seconds: int) -> Rules:
    """Of the first message to one phone the provider wants to hear so much later."""
    return {"later": {"phone": "phone_000", "nth": 1, "do": {"fault": "too_many_requests", "retry_after": seconds}}}


SMALL = Load(chats=4, outbound=6, inbound=0, calls={}, updates={}, deaths=[])
CAUGHT = {
    "no-claim": (SMALL._replace(deaths=[("asked", 6)]), " times with "),
    # The others of that phone wait until it dies. A chat is not parked, which would keep them, for less than 30 s.
    "commit-before-send": (SMALL._replace(deaths=[("left", 1)], calls=later(28)), ": missing"),
    # The second goes before the first, where nothing keeps the order.
    "no-lanes": (SMALL._replace(calls=later(6)), ": out of order"),
}


@pytest.mark.parametrize("variant", CAUGHT)
async def test_a_connector_that_is_not_careful_is_caught(tmp_path, report, variant):
    load, how = CAUGHT[variant]
    found = faults_of(await told(tmp_path, load, "tests.chaos.sabotaged", variant))
    report(f"{variant}: {len(found)} faults found: {found[:1]}")
    assert any(how in one for one in found)
