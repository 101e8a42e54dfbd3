"""Each phone gets its messages in order, none missing, none more often than attempts were in doubt; whatever happens.

2,000 messages to 200 chats at the simulator's limits, with every fault it knows on calls and updates, while the process
is killed with SIGKILL at random moments until five kills have landed within a call. The judge is the simulator's log.
"""

import os
from pathlib import Path

import pytest
from tests.chaos.deliveries import BOT, FAULTS, LEASE, UPDATE_FAULTS, Load, Run, Told, ended, faults_of, held_up
from tests.integration.simulator.world import Simulator

from chat4all.cli.server import Server

SEED = int(os.environ.get("CHAOS_SEED", "20261122"))
WHOLE = Load(chats=200, outbound=10, inbound=5, kills=60, landed=5)


SMALL = Load(chats=40, outbound=10, inbound=0, kills=10, landed=3, patience=25.0)


async def told(folder: Path, load: Load, *program: str) -> Told:
    simulator = Simulator(folder / "simulator")
    settings = {
        "CHAT4ALL_CHANNELS__SIMULATOR": simulator.url,
        "CHAT4ALL_CHANNELS__FOLDER": str(folder / "none"),
        "CHAT4ALL_CHANNELS__ATTEMPT_SECONDS": str(LEASE),
        "CHAT4ALL_API__POSTS_PER_SECOND": "100000",
        "CHAT4ALL_API__POST_BURST": "100000",
    }
    server = Server(folder / "data", folder / "server.log", settings, program or ("chat4all",))
    server.set(CHAT4ALL_CHANNELS__PUBLIC_URL=server.url)
    simulator.bot(BOT)
    try:
        async with ended(server):
            return await Run(simulator, server, load, SEED).tell()
    finally:
        simulator.stop()


async def test_each_phone_gets_all_of_it_in_order_and_nothing_more_often_than_is_owned_up_to(tmp_path, report):
    what = await told(tmp_path, WHOLE)
    hit = {one["rule"] for one in what.entries if one["what"] == "fault"}
    doubts = sum(what.doubts.values())
    sent = sum(one["what"] == "message" and one["message"]["from"]["is_bot"] for one in what.entries)
    report(
        f"seed {SEED}: {WHOLE.chats * WHOLE.outbound} messages to {WHOLE.chats} chats, {sent} shown, "
        f"{doubts} attempts in doubt; {what.kills} kills, {what.landed} within a call"
    )
    parked, held = held_up(what)
    report(f"{parked} times a chat was parked while others had something to be sent")
    assert faults_of(what) == []
    assert held == []
    assert parked > 0
    assert what.landed >= WHOLE.landed, "too few kills landed: nothing was proved"
    assert hit == {*FAULTS, *UPDATE_FAULTS}, "a fault that never happened proves nothing"


CAUGHT = [("no-claim", " times with "), ("commit-before-send", ": missing"), ("no-lanes", ": out of order")]


@pytest.mark.parametrize(("variant", "how"), CAUGHT, ids=[one for one, _ in CAUGHT])
async def test_a_connector_that_is_not_careful_is_caught(tmp_path, report, variant, how):
    what = await told(tmp_path, SMALL, "tests.chaos.sabotaged", variant)
    found = faults_of(what)
    report(f"{variant}: {len(found)} faults found, {what.kills} kills, {what.landed} within a call: {found[:1]}")
    assert any(how in one for one in found)
