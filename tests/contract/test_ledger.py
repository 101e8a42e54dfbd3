"""What every ledger must do, whatever engine it stands on: the text of store/ledger.py as tests.

Another twin is a class like EmbeddedTwin and an entry in TWINS; the tests stay as they are.
"""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chat4all.model.delivery import State
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id
from chat4all.model.outbound import Delivery, DeliveryKey, DeliveryWrite, ExternalMessage, Pending, Plan, Result, Target
from chat4all.model.positions import Position, position
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.embedded.ledger import EmbeddedLedger
from chat4all.store.ledger import Ledger
from chat4all.store.settings import CassandraSettings

NOON = 1_800_000_000_000  # ms
SENT = Result(outcome="sent", external_id="17")
REFUSED = Result(outcome="refused", reason="Throttled")


class EmbeddedTwin:
    """SQLite in a file of its own."""

    ledger: Ledger

    def __init__(self, path: Path) -> None:
        self._path = path / "ledger.db"

    async def open(self) -> None:
        ledger = EmbeddedLedger(self._path)
        await ledger.open()
        self.ledger, self.close = ledger, ledger.close


class CassandraTwin:
    """A keyspace on a real node."""

    ledger: Ledger

    def __init__(self, settings: CassandraSettings) -> None:
        self._settings = settings

    async def open(self) -> None:
        ledger = CassandraLedger(self._settings)
        self.ledger, self.close = ledger, ledger.close


Twin = EmbeddedTwin | CassandraTwin


@pytest.fixture(params=["embedded", pytest.param("cassandra", marks=pytest.mark.engine)])
async def twin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Twin]:
    made: Twin = EmbeddedTwin(tmp_path)
    if request.param == "cassandra":
        made = CassandraTwin(request.getfixturevalue("keyspace"))
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def ledger(twin: Twin) -> Ledger:
    return twin.ledger


def at(offset: int) -> Position:
    return position(1, offset)


def target(recipient: str = "bruno", **more: str) -> Target:
    usual: dict[str, Any] = {"link": "l1", "connector": "local.tg", "destination": "7"}
    return Target(**{"recipient": recipient, **usual, **more})


def key(record_id: str, **more) -> DeliveryKey:
    return DeliveryKey(**{"record_id": record_id, "recipient": "bruno", "link": "l1", **more})


# -- plans


async def test_a_plan_comes_back_as_it_was_made(ledger: Ledger) -> None:
    made = Plan(record_id=new_id(), message_id=new_id(), targets=(target(label="Ana"), target("clara")))
    assert await ledger.plan([made]) == {made.record_id: made}
    assert await ledger.plans([made.record_id, new_id()]) == {made.record_id: made}


async def test_the_first_plan_stands_whoever_makes_another(ledger: Ledger) -> None:
    first = Plan(record_id=new_id(), message_id=new_id(), targets=(target(),))
    later = msgspec.structs.replace(first, targets=())
    fresh = Plan(record_id=new_id(), message_id=new_id())
    await ledger.plan([first])
    assert await ledger.plan([later, fresh]) == {first.record_id: first, fresh.record_id: fresh}
    assert await ledger.plans([first.record_id]) == {first.record_id: first}


async def test_of_many_plans_at_once_all_get_the_same(ledger: Ledger) -> None:
    record = new_id()
    plans = [Plan(record_id=record, message_id=record, targets=(target(str(n)),)) for n in range(20)]
    answers = await asyncio.gather(*(ledger.plan([one]) for one in plans))
    assert len({msgspec.json.encode(one[record]) for one in answers}) == 1


# -- deliveries


def writes(record: str) -> list[DeliveryWrite]:
    place: dict[str, Any] = {"connector": "local.tg", "destination": "7"}
    return [
        DeliveryWrite(key=key(record), position=at(1), **place),
        DeliveryWrite(key=key(record), position=at(2), sent_at=NOON, parts=2),
        DeliveryWrite(key=key(record, part=1), position=at(3), sent_at=NOON + 1, **place),
        DeliveryWrite(key=key(record), position=at(4), delivered_at=NOON + 5),
        DeliveryWrite(key=key(record), position=at(5), failed_at=NOON + 6, reason="Blocked"),
        DeliveryWrite(key=key(record, generation=1), position=at(6), **place),
    ]


WANTED = [(0, 0, State.DELIVERED, 2, "Blocked"), (1, 0, State.SENT, 0, ""), (0, 1, State.ACCEPTED, 0, "")]


@pytest.mark.parametrize("seed", range(10))
async def test_deliveries_are_the_same_in_whatever_order_they_are_written(ledger: Ledger, seed: int) -> None:
    record = new_id()
    shuffled = writes(record) * 2
    random.Random(seed).shuffle(shuffled)
    for one in shuffled:
        await ledger.put_deliveries([one])
    found = (await ledger.deliveries([record]))[record]
    assert [(d.key.part, d.key.generation, d.state, d.parts, d.reason) for d in found] == WANTED
    assert {(d.connector, d.destination) for d in found} == {("local.tg", "7")}


async def test_what_is_later_in_the_log_wins(ledger: Ledger) -> None:
    record = new_id()
    place: dict[str, Any] = {"connector": "local.tg", "destination": "7"}
    await ledger.put_deliveries([DeliveryWrite(key=key(record), position=at(5), sent_at=50, **place)])
    await ledger.put_deliveries([DeliveryWrite(key=key(record), position=at(4), sent_at=40)])
    assert [one.sent_at for one in (await ledger.deliveries([record]))[record]] == [50]


async def test_a_receipt_alone_makes_no_delivery(ledger: Ledger) -> None:
    record = new_id()
    await ledger.put_deliveries([DeliveryWrite(key=key(record), position=at(5), sent_at=50)])
    assert await ledger.deliveries([record]) == {}


STATES = [
    ({}, State.ACCEPTED),
    ({"sent_at": 1}, State.SENT),
    ({"sent_at": 1, "failed_at": 2}, State.FAILED),
    ({"failed_at": 2, "delivered_at": 1}, State.DELIVERED),
    ({"read_at": 1}, State.READ),
]


@pytest.mark.parametrize(("times", "state"), STATES, ids=str)
def test_a_state_is_derived_and_never_goes_back(times: dict[str, Any], state: State) -> None:
    assert Delivery(key=key("r"), **times).state == state


async def test_parked_records_come_back_by_their_offsets(ledger: Ledger) -> None:
    name = new_id()
    await ledger.park(name, 1, b"7", [(5, b"second"), (3, b"first")])
    await ledger.park(name, 1, b"7", [(5, b"second")])
    await ledger.park(name, 1, b"8", [(4, b"other")])
    await ledger.park(name, 1, b"9", [])
    assert sorted(await ledger.parked_destinations(name, 1)) == [b"7", b"8"]
    assert await ledger.parked_destinations(name, 2) == []
    assert await ledger.parked(name, 1, b"7") == (3, b"first")
    await ledger.unpark(name, 1, b"7", 3)
    await ledger.unpark(name, 1, b"7", 3)
    assert await ledger.parked(name, 1, b"7") == (5, b"second")
    await ledger.unpark(name, 1, b"7", 5)
    assert await ledger.parked(name, 1, b"7") is None
    assert await ledger.parked_destinations(name, 1) == [b"8"]


async def test_early_receipts_wait_until_they_were_told_on(ledger: Ledger) -> None:
    place: dict[str, Any] = {"connector": new_id(), "chat": "7", "external_id": "1"}
    delivered, read = (Pending(**place, state=state, at=at) for state, at in ((State.DELIVERED, 5), (State.READ, 6)))
    for _ in range(2):
        await ledger.put_pending([read, delivered])
    assert await ledger.pending(**place) == [delivered, read]
    assert await ledger.pending(**{**place, "chat": "8"}) == []
    assert await ledger.pending_known(place["connector"], limit=10) == [], "of a message that nobody knows"
    message = ExternalMessage(**place, conversation_id="c", message_id="m", delivery=key("m"))
    await ledger.put_external([message])
    assert await ledger.pending_known(place["connector"], limit=10) == [(delivered, message), (read, message)]
    assert await ledger.pending_known(place["connector"], limit=1) == [(delivered, message)]
    await ledger.pending_done([delivered])
    assert await ledger.pending(**place) == [read]
    await ledger.pending_trim(place["connector"], before=6)
    assert await ledger.pending(**place) == [read]
    await ledger.pending_trim(place["connector"], before=7)
    assert await ledger.pending(**place) == []


def test_an_id_is_of_its_key_alone() -> None:
    keys = [
        key(record, recipient=recipient, link=link, part=part, generation=generation)
        for record, recipient, link, part, generation in itertools.product("ab", "cd", "ef", (0, 1), (0, 1))
    ]
    assert len({one.id for one in keys}) == len(keys)
    assert key("a").id == key("a").id


# -- attempts


async def test_an_attempt_is_claimed_once(ledger: Ledger) -> None:
    delivery = new_id()
    claims = await asyncio.gather(*(ledger.claim(delivery, 1, token=f"t{n}", lease=NOON) for n in range(20)))
    assert claims.count(True) == 1
    (attempt,) = await ledger.attempts(delivery)
    assert (attempt.n, attempt.token, attempt.result) == (1, f"t{claims.index(True)}", None)
    assert not await ledger.claim(delivery, 1, token=attempt.token, lease=NOON), "not even by the same again"


async def test_only_who_claimed_it_settles_it_and_once(ledger: Ledger) -> None:
    delivery = new_id()
    await ledger.claim(delivery, 1, token="mine", lease=NOON)
    assert not await ledger.settle(delivery, 1, token="other", result=SENT)
    assert await ledger.settle(delivery, 1, token="mine", result=SENT)
    assert await ledger.settle(delivery, 1, token="mine", result=SENT), "the same again"
    assert not await ledger.settle(delivery, 1, token="mine", result=REFUSED)
    assert not await ledger.settle(delivery, 2, token="mine", result=SENT)
    assert (await ledger.attempts(delivery))[0].result == SENT


async def test_another_s_attempt_is_in_doubt_only_when_its_time_is_over(ledger: Ledger) -> None:
    delivery = new_id()
    await ledger.claim(delivery, 1, token="mine", lease=NOON)
    assert not await ledger.doubt(delivery, 1, token="other", now=NOON - 1)
    assert await ledger.doubt(delivery, 1, token="other", now=NOON)
    assert await ledger.doubt(delivery, 1, token="third", now=NOON - 1), "it is, since before"
    assert (await ledger.attempts(delivery))[0].uncertain


async def test_one_s_own_attempt_is_in_doubt_at_once(ledger: Ledger) -> None:
    delivery = new_id()
    await ledger.claim(delivery, 1, token="mine", lease=NOON)
    assert await ledger.doubt(delivery, 1, token="mine", now=0)


async def test_doubt_is_never_taken_back(ledger: Ledger) -> None:
    delivery = new_id()
    await ledger.claim(delivery, 1, token="mine", lease=NOON)
    await ledger.doubt(delivery, 1, token="other", now=NOON)
    assert not await ledger.settle(delivery, 1, token="mine", result=SENT), "who wakes up late is told"
    (attempt,) = await ledger.attempts(delivery)
    assert (attempt.uncertain, attempt.result) == (True, None)


async def test_a_result_is_beyond_doubt(ledger: Ledger) -> None:
    delivery = new_id()
    await ledger.claim(delivery, 1, token="mine", lease=NOON)
    await ledger.settle(delivery, 1, token="mine", result=SENT)
    assert not await ledger.doubt(delivery, 1, token="other", now=NOON + 1)
    assert not await ledger.doubt(delivery, 2, token="other", now=NOON + 1), "there is none"


async def test_of_a_result_and_a_doubt_at_once_one_stands(ledger: Ledger) -> None:
    for _ in range(20):
        delivery = new_id()
        await ledger.claim(delivery, 1, token="mine", lease=NOON)
        settled, doubted = await asyncio.gather(
            ledger.settle(delivery, 1, token="mine", result=SENT), ledger.doubt(delivery, 1, token="other", now=NOON)
        )
        assert settled != doubted


async def test_attempts_are_counted_up(ledger: Ledger) -> None:
    delivery = new_id()
    for n in (1, 2, 3):
        assert await ledger.claim(delivery, n, token=f"t{n}", lease=NOON)
        assert await ledger.settle(delivery, n, token=f"t{n}", result=REFUSED)
    assert [one.n for one in await ledger.attempts(delivery)] == [1, 2, 3]


# -- providers' messages


async def test_a_provider_s_message_is_found_by_connector_chat_and_id(ledger: Ledger) -> None:
    one = ExternalMessage(
        connector=new_id(), chat="7", external_id="17", conversation_id=new_id(), message_id=new_id(), delivery=key("r")
    )
    other = msgspec.structs.replace(one, chat="8", message_id=new_id(), delivery=None)
    await ledger.put_external([one, other])
    await ledger.put_external([one])
    assert await ledger.external(one.connector, "7", ["17", "18"]) == {"17": one}
    assert await ledger.external(one.connector, "8", ["17"]) == {"17": other}
    assert await ledger.external(new_id(), "7", ["17"]) == {}


async def test_a_message_s_first_part_is_found_by_its_id(ledger: Ledger) -> None:
    usual: dict[str, Any] = {"connector": new_id(), "chat": "7", "conversation_id": new_id(), "message_id": new_id()}
    parts = [ExternalMessage(external_id=str(17 + n), delivery=key("r", part=n), **usual) for n in (1, 0)]
    written = ExternalMessage(external_id="30", **{**usual, "message_id": new_id()})
    await ledger.put_external([*parts, written])
    assert await ledger.external_of(usual["connector"], "7", usual["message_id"]) == "17"
    assert await ledger.external_of(usual["connector"], "7", written.message_id) == "30"
    assert await ledger.external_of(usual["connector"], "8", usual["message_id"]) is None
    again = ExternalMessage(external_id="40", delivery=key("r", generation=1), **usual)
    await ledger.put_external([again])
    assert await ledger.external_of(usual["connector"], "7", usual["message_id"]) == "40", "after a retry"


# -- the engine


async def test_what_was_written_is_there_after_a_new_start(twin: Twin) -> None:
    record, delivery = new_id(), new_id()
    plan = Plan(record_id=record, message_id=record, targets=(target(),))
    await twin.ledger.plan([plan])
    await twin.ledger.put_deliveries(writes(record))
    await twin.ledger.claim(delivery, 1, token="mine", lease=NOON)
    await twin.close()
    await twin.open()
    assert await twin.ledger.plans([record]) == {record: plan}
    assert len((await twin.ledger.deliveries([record]))[record]) == 3
    assert [one.token for one in await twin.ledger.attempts(delivery)] == ["mine"]


PLACE: dict[str, Any] = {"connector": "c", "chat": "7", "external_id": "17"}
CALLS: dict[str, Callable[[Ledger], Awaitable[object]]] = {
    "plan": lambda ledger: ledger.plan([Plan(record_id="r", message_id="r")]),
    "plans": lambda ledger: ledger.plans(["r"]),
    "put_deliveries": lambda ledger: ledger.put_deliveries(writes("r")),
    "deliveries": lambda ledger: ledger.deliveries(["r"]),
    "attempts": lambda ledger: ledger.attempts("d"),
    "claim": lambda ledger: ledger.claim("d", 1, token="t", lease=0),
    "settle": lambda ledger: ledger.settle("d", 1, token="t", result=SENT),
    "doubt": lambda ledger: ledger.doubt("d", 1, token="t", now=0),
    "put_external": lambda ledger: ledger.put_external([ExternalMessage(**PLACE, conversation_id="c", message_id="m")]),
    "external": lambda ledger: ledger.external("c", "7", ["17"]),
    "external_of": lambda ledger: ledger.external_of("c", "7", "m"),
    "put_pending": lambda ledger: ledger.put_pending([Pending(**PLACE, state=State.READ, at=NOON)]),
    "pending": lambda ledger: ledger.pending("c", "7", "17"),
    "pending_known": lambda ledger: ledger.pending_known("c", limit=1),
    "pending_done": lambda ledger: ledger.pending_done([Pending(**PLACE, state=State.READ, at=NOON)]),
    "pending_trim": lambda ledger: ledger.pending_trim("c", before=NOON),
    "park": lambda ledger: ledger.park("c", 0, b"7", [(1, b"x")]),
    "parked": lambda ledger: ledger.parked("c", 0, b"7"),
    "unpark": lambda ledger: ledger.unpark("c", 0, b"7", 1),
    "parked_destinations": lambda ledger: ledger.parked_destinations("c", 0),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_ledger_is_unavailable(twin: Twin, call: Callable[[Ledger], Awaitable[object]]) -> None:
    await twin.close()
    with pytest.raises(EngineUnavailableError):
        await call(twin.ledger)
    await twin.open()


async def test_nothing_is_asked_for_nothing(ledger: Ledger) -> None:
    assert await ledger.plan([]) == {}
    assert await ledger.plans([]) == {}
    assert await ledger.deliveries([]) == {}
    assert await ledger.external("c", "7", []) == {}
    await ledger.put_deliveries([])
    await ledger.put_external([])
