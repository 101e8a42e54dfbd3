"""Each role and each engine is killed once and stopped for a while once, while fifty messages a second are written.

Then: every 202 is stored once, dense, in order, shown once to a reader who resumes, and on the phone no more often than
an attempt is in doubt. FAULT_SECONDS: how long what is stopped stays so, and an engine that was killed is away; `long`:
Redis for 20 seconds, Cassandra for 60, a router for 30, the others for 8.
"""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from tests.distributed.load import PROBE, RECOVERS, Load, check

from chat4all.client import DEMO_PASSWORD, Client
from chat4all_devtools.stack.roles import Roles
from chat4all_devtools.stack.stack import Stack

pytestmark = pytest.mark.engine

USUAL = 8.0
LONG = {"redis": 20.0, "cassandra": 60.0, "router1": 30.0}
ASKED = os.environ.get("FAULT_SECONDS", f"{USUAL}")
NEEDED_TO_POST = ("kafka", "postgresql")
ROUTERS = ("router1", "router2")


def seconds(name: str) -> float:
    return LONG.get(name, USUAL) if ASKED == "long" else float(ASKED)


async def killed_role(roles: Roles, name: str) -> None:
    roles.process(name).kill()
    await asyncio.to_thread(roles.process(name).wait)
    await asyncio.sleep(1)
    await asyncio.to_thread(roles.start)


async def stopped_role(roles: Roles, name: str) -> None:
    if name in ROUTERS:
        await stopped_router(roles, name)
    else:
        async with stopped(roles, name):
            await asyncio.sleep(seconds(name))


async def stopped_router(roles: Roles, name: str) -> None:
    """Its partitions are the other one's meanwhile, and it notices. One that was killed a moment ago is given some only
    as its old membership ends."""
    other = next(one for one in ROUTERS if one != name)

    async def shared() -> bool:
        one, two = await partitions(roles, name), await partitions(roles, other)
        return bool(one and two) and not one & two

    await until(f"{name} and {other} share the partitions", shared)
    every = await partitions(roles, name) | await partitions(roles, other)

    async def taken() -> bool:
        return await partitions(roles, other) >= every

    async with stopped(roles, name):
        await asyncio.sleep(seconds(name))
        await until(f"{other} has what {name} had", taken)
    await until(f"{name} and {other} share the partitions again", shared)


@contextlib.asynccontextmanager
async def stopped(roles: Roles, name: str) -> AsyncIterator[None]:
    roles.process(name).send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        roles.process(name).send_signal(signal.SIGCONT)


async def until(what: str, holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + RECOVERS
    while not await holds():
        assert time.monotonic() < deadline, f"not within {RECOVERS:.0f} s: {what}"
        await asyncio.sleep(0.1)


async def partitions(roles: Roles, router: str) -> set[str]:
    """Those for which it reports how far behind it is: its own."""
    health = next(role.health for role in roles.roles if role.name == router)
    async with httpx.AsyncClient(trust_env=False, timeout=RECOVERS) as http:
        text = (await http.get(f"http://127.0.0.1:{health}/metrics")).text
    return set(re.findall(r'^chat4all_lag_records\{partition="(\d+)"\}', text, re.MULTILINE))


async def killed_engine(stack: Stack, name: str, during: Callable[[], Awaitable[None]]) -> None:
    engine = stack[name]
    engine.signal(signal.SIGKILL)
    while engine.alive:
        await asyncio.sleep(0.02)
    try:
        await during()
        await asyncio.sleep(seconds(name))
    finally:
        engine.start()
        await asyncio.to_thread(engine.wait)


async def stopped_engine(stack: Stack, name: str, during: Callable[[], Awaitable[None]]) -> None:
    stack[name].signal(signal.SIGSTOP)
    try:
        await during()
        await asyncio.sleep(seconds(name))
    finally:
        stack[name].signal(signal.SIGCONT)


async def test_whatever_is_killed_or_stopped_nothing_is_lost_doubled_or_reordered(
    roles: Roles, engines: Stack, phones: str, report: Callable[[str], None]
) -> None:
    load = Load(roles.url, phones)
    await load.start()
    report(f"the load goes on after {await load.goes_on():.1f} s")
    dead = await dead_letters(roles)

    # Both gateways and both routers: the reader is on one of them, and the conversation is another one's.
    for name in ("api1", "gateway1", "gateway2", *ROUTERS, "connector1"):
        for fault in (killed_role, stopped_role):
            await fault(roles, name)
            report(f"{name} {fault.__name__.partition('_')[0]}: goes on {await load.goes_on():.1f} s later")
    for name in ("redis", "postgresql", "cassandra", "kafka"):
        for hit in (killed_engine, stopped_engine):
            await hit(engines, name, await refusal(roles, load.chat, name))
            report(f"{name} {hit.__name__.partition('_')[0]}: goes on {await load.goes_on():.1f} s later")

    rows = await load.finish()
    check(load, rows)
    assert load.resumes > 1, "the reader's gateway was never hit"
    phone = await load.on_the_phone()
    assert all(1 <= shown <= 1 + doubts for shown, doubts in phone.values()), phone
    assert await dead_letters(roles) == dead, "an engine that is away is no reason to bury anything"
    again = sum(shown - 1 for shown, _ in phone.values())
    report(
        f"{load.account.total} posts accepted, {load.account.refused} tries refused, {load.resumes} resumes; "
        f"{len(phone)} on the phone, {again} of them twice"
    )


async def refusal(roles: Roles, chat: str, engine: str) -> Callable[[], Awaitable[None]]:
    """Looks, while the engine is away, and so before it is back, that a post which needs it is answered and says when
    to come again. It is admin's, who has not posted: that ana is a member is remembered for some seconds."""
    async with Client(roles.url, "admin", DEMO_PASSWORD) as admin:
        token = {"Authorization": f"Bearer {await admin.token()}"}

    async def refused() -> None:
        if engine in NEEDED_TO_POST:
            async with httpx.AsyncClient(base_url=roles.url, trust_env=False, timeout=RECOVERS) as http:
                answer = await http.post("/v1/messages", json={"chat_id": chat, "content": PROBE}, headers=token)
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["Retry-After"]) >= 1

    return refused


async def dead_letters(roles: Roles) -> int:
    async with Client(roles.url, "admin", DEMO_PASSWORD) as admin:
        return len((await admin.call("GET", "/v1/dead-letters")).json())
