"""A record at which a router must not go on (invariants 3 and 8): what stands before it is routed and committed, it and
what is behind it wait, other partitions flow, and whoever takes the partition next stops there again."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from tests.unit.spine.engines import CHATS
from tests.unit.spine.faults import HITS, Fault
from tests.unit.spine.world import Seat, World

from chat4all.log.port import CONVERSATIONS
from chat4all.model.positions import position
from chat4all.model.rows import Head

HERE, ELSEWHERE = CHATS[0], CHATS[2]  # in two partitions


async def put(world: World, **fields: Any) -> None:
    record = {"v": 1, "kind": "message", "id": "x", "conversation_id": HERE, "sender_id": "ana", "content": "odd"}
    await world.append(HERE.encode(), json.dumps({**record, **fields}).encode())


async def the_log_went_backwards(world: World) -> None:
    """The head has seen places of this topic that come only now."""
    await world.seats[0].crash()  # and what it knew of the head
    await world.silent()
    seen = Head(conversation_id=HERE, last_seq=9, position=position(1, 1000), last_at=1)
    await world.store.put_heads([seen])
    await put(world)


STOPS: Final[dict[str, tuple[Callable[[World], Awaitable[None]], str]]] = {
    "a newer version": (lambda world: put(world, v=99), "upgrade this process"),
    "an unknown kind": (lambda world: put(world, kind="poll"), "upgrade this process"),
    "a log that went backwards": (the_log_went_backwards, "the log went backwards"),
}


async def said(world: World, chat: str) -> list[str]:
    return [row.text for row in await world.store.history(chat, after_seq=0, limit=100)]


async def partition_of(world: World, chat: str) -> int:
    """Where this conversation is."""
    for partition in range(await world.log.partitions(CONVERSATIONS)):
        if any(one.key == chat.encode() for one in await world.log.read(CONVERSATIONS, partition, offset=0, limit=9)):
            return partition
    raise AssertionError(f"nothing was said in {chat}")


async def check_stopped(world: World, seat: Seat, reason: str, *, flows: list[str], waits: int) -> None:
    """`flows`: what is behind it elsewhere; `waits`: how many are here, the one it stopped at among them."""
    stopped, router = f"{CONVERSATIONS}/{await partition_of(world, HERE)}", seat.router()
    assert list(router.stopped) == [stopped]
    assert reason in router.stopped[stopped]
    assert world.metrics.stopped._value.get() == 1
    assert await said(world, HERE) == ["before"]
    assert await said(world, ELSEWHERE) == ["before", *flows]
    lag = {one.partition: behind for one, behind in (await router._consumer.lag()).items()}
    assert lag[await partition_of(world, HERE)] == waits, "nothing of it is committed"
    assert lag[await partition_of(world, ELSEWHERE)] == 0


async def post(world: World, text: str) -> None:
    for chat in (HERE, ELSEWHERE):
        assert await world.post("ana", chat, text)


@pytest.mark.parametrize("name", STOPS)
async def test_it_and_what_is_behind_it_wait_for_an_operator(world: World, name: str) -> None:
    stop, reason = STOPS[name]
    first, second = world.seats
    await post(world, "before")
    await first.run()
    await stop(world)
    await post(world, "behind")
    await first.run()
    await check_stopped(world, first, reason, flows=["behind"], waits=2)
    await post(world, "later")
    await first.run()
    await check_stopped(world, first, reason, flows=["behind", "later"], waits=3)
    await first.crash()
    await world.silent()
    await second.run()
    await check_stopped(world, second, reason, flows=["behind", "later"], waits=3)


async def test_a_place_that_is_not_there_stops_its_partition_alone(world: World) -> None:
    """What the group has read is gone from the log: nobody knows what would come next."""
    first, second = world.seats
    await post(world, "before")
    await first.run()
    await first.crash()
    place = (CONVERSATIONS, await partition_of(world, HERE))

    def forget(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE committed SET next = next + 9 WHERE topic = ? AND partition = ?", place)

    await world.log._database.write(forget)
    await post(world, "behind")
    await world.silent()
    await second.run()
    assert list(second.router().stopped) == [f"{CONVERSATIONS}/{place[1]}"]
    assert await said(world, HERE) == ["before"]
    assert await said(world, ELSEWHERE) == ["before", "behind"]


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.CRASH])
async def test_what_is_no_record_is_passed_over_only_when_it_is_with_the_dead_letters(
    world: World, fault: Fault
) -> None:
    first, second = world.seats
    await world.append(HERE.encode(), b"no record")
    await first.run("log.append:before", fault)
    assert HITS["log.append:before", fault], "the point was not reached"
    await world.silent()
    await second.run()
    await world.verdict()
