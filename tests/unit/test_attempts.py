"""Attempts: claimed before they are made; a part comes at most once and once more for each that is in doubt."""

import asyncio
import random
from functools import partial
from pathlib import Path

import pytest

from chat4all.channels.kit import errors
from chat4all.connectors.attempts import Attempts, Done, Later
from chat4all.model.errors import EngineUnavailableError
from chat4all.model.ids import new_id
from chat4all.model.outbound import Result
from chat4all.store.embedded.ledger import EmbeddedLedger

LEASE = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def ledger(tmp_path: Path):
    made = EmbeddedLedger(tmp_path / "ledger.db", synchronous="OFF")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(ledger, clock) -> Attempts:
    return Attempts(ledger, lease_seconds=LEASE, clock=clock)


class answers:  # noqa: N801 - it is called like a function
    """Ask a provider that answers so, one after another."""

    def __init__(self, *given: str | Exception) -> None:
        self.asked = 0
        self._left = list(given)

    async def __call__(self) -> str:
        self.asked += 1
        answer = self._left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


SENT = Result(outcome="sent", external_id="17")
ENDS = [
    ("sent", "17", Done(SENT, 1, 0)),
    ("gone", errors.RecipientError("x", "Blocked"), Done(Result(outcome="failed", reason="Blocked"), 1, 0)),
    ("refused for ever", errors.RejectedError("x", "Empty"), Done(Result(outcome="failed", reason="Empty"), 1, 0)),
]


@pytest.mark.parametrize(("answer", "end"), [one[1:] for one in ENDS], ids=[one[0] for one in ENDS])
async def test_what_has_ended_is_not_done_again(attempts, answer, end):
    delivery, act = new_id(), answers(answer)
    assert await attempts.make(delivery, act) == end
    assert await attempts.make(delivery, act) == end, "told again, not done again"
    assert act.asked == 1


NOT_DONE = [
    ("throttled", errors.ThrottledError("x", 37.0), 37.0),
    ("unreachable", errors.UnreachableError("x"), None),
    ("unknown account", errors.CredentialsError("x"), None),
]


@pytest.mark.parametrize(("error", "seconds"), [one[1:] for one in NOT_DONE], ids=[one[0] for one in NOT_DONE])
async def test_what_was_certainly_not_done_is_done_again_without_doubt(attempts, error, seconds):
    delivery, act = new_id(), answers(error, error, "17")
    for _ in range(2):
        assert await attempts.make(delivery, act) == Later(seconds, error)
    assert await attempts.make(delivery, act) == Done(SENT, 3, 0)


async def test_what_nobody_knows_is_done_again_and_counted(attempts):
    delivery, act = new_id(), answers(errors.UnknownOutcomeError("x"), "17")
    assert isinstance(await attempts.make(delivery, act), Later)
    assert await attempts.make(delivery, act) == Done(SENT, 2, 1)


async def test_or_it_is_held_where_that_is_wanted(ledger, clock):
    attempts = Attempts(ledger, lease_seconds=LEASE, on_uncertain="Hold", clock=clock)
    delivery, act = new_id(), answers(errors.UnknownOutcomeError("x"), "17")
    assert isinstance(await attempts.make(delivery, act), Later)
    held = Done(Result(outcome="failed", reason="Uncertain"), 1, 1)
    assert await attempts.make(delivery, act) == held
    assert act.asked == 1


async def test_a_claim_of_one_who_ended_is_waited_for_and_then_in_doubt(ledger, clock, attempts):
    delivery, act = new_id(), answers("17")
    await ledger.claim(delivery, 1, token="gone", lease=int((clock() + LEASE) * 1000))
    assert await attempts.make(delivery, act) == Later(LEASE)
    clock.now += LEASE - 1
    assert await attempts.make(delivery, act) == Later(1.0)
    clock.now += 1
    assert await attempts.make(delivery, act) == Done(SENT, 2, 1)


async def test_of_two_who_take_it_up_one_asks(attempts):
    delivery, gate = new_id(), asyncio.Event()
    asked = []

    async def act() -> str:
        asked.append(1)
        await gate.wait()
        return "17"

    first = asyncio.create_task(attempts.make(delivery, act))
    while not asked:
        await asyncio.sleep(0)
    assert isinstance(await attempts.make(delivery, act), Later)
    gate.set()
    assert await first == Done(SENT, 1, 0)
    assert len(asked) == 1


async def test_one_who_was_too_slow_does_not_overrule_a_doubt(ledger, clock, attempts):
    delivery = new_id()

    async def slowly() -> str:
        clock.now += LEASE
        assert await Attempts(ledger, lease_seconds=LEASE, clock=clock).make(delivery, answers("18")) == Done(
            Result(outcome="sent", external_id="18"), 2, 1
        )
        return "17"

    assert await attempts.make(delivery, slowly) == Later(0.0)
    assert await attempts.make(delivery, answers()) == Done(Result(outcome="sent", external_id="18"), 2, 1)


async def test_one_that_takes_longer_than_its_lease_is_given_up_before(ledger):
    attempts = Attempts(ledger, lease_seconds=0.1)
    delivery = new_id()
    later = await attempts.make(delivery, lambda: asyncio.sleep(60, "17"))
    assert isinstance(later, Later)
    assert isinstance(later.error, errors.UnknownOutcomeError)
    assert [one.uncertain for one in await ledger.attempts(delivery)] == [True]


async def test_what_is_known_waits_for_the_store(ledger, clock, attempts, monkeypatch):
    monkeypatch.setattr("chat4all.connectors.attempts._RETRY_SECONDS", 0.0)
    settle, away = ledger.settle, [1, 2, 3]

    async def settles(*args, **options):
        if away:
            away.pop()
            raise EngineUnavailableError("store", "away")
        return await settle(*args, **options)

    monkeypatch.setattr(ledger, "settle", settles)
    delivery, act = new_id(), answers("17")
    assert await attempts.make(delivery, act) == Done(SENT, 1, 0)
    assert act.asked == 1


async def test_a_turn_is_taken_for_an_attempt_only(attempts):
    delivery, act, turns = new_id(), answers("17"), [2.5, 0.0]

    async def turn() -> float:
        return turns.pop(0)

    assert await attempts.make(delivery, act, turn) == Later(2.5)
    assert await attempts.make(delivery, act, turn) == Done(SENT, 1, 0)
    assert await attempts.make(delivery, act, turn) == Done(SENT, 1, 0), "what is done needs none"


# -- two connectors that crash, sleep and are not answered, by chance


class Provider:
    """What it has really done, and what it says of it."""

    def __init__(self, chance: random.Random) -> None:
        self.done: dict[str, int] = {}
        self._chance = chance

    async def send(self, delivery: str) -> str:
        await asyncio.sleep(0)
        match self._chance.randrange(6):
            case 0:
                raise errors.ThrottledError("x", 0.0)
            case 1:
                raise errors.UnreachableError("x")
            case 2:
                raise errors.UnknownOutcomeError("not done")
        self.done[delivery] = self.done.get(delivery, 0) + 1
        await asyncio.sleep(0)
        if self._chance.random() < 0.2:
            raise errors.UnknownOutcomeError("done")
        return f"id of {delivery}"


async def live(ledger, seed: int) -> tuple[dict[str, int], dict[str, int], int]:
    """How often each delivery was really made, how many doubts it has, and how many crashes landed."""
    chance, clock = random.Random(seed), Clock()
    provider, deliveries = Provider(chance), [new_id() for _ in range(4)]
    doubts: dict[str, int] = {}
    crashes = 0

    async def connector() -> None:
        attempts = Attempts(ledger, lease_seconds=LEASE, clock=clock)
        for delivery in deliveries:
            while not isinstance(done := await attempts.make(delivery, partial(provider.send, delivery)), Done):
                await asyncio.sleep(0)
            doubts[delivery] = done.doubts

    running = [asyncio.create_task(connector()) for _ in range(2)]
    while not all(task.done() for task in running):
        for _ in range(chance.randrange(1, 30)):
            await asyncio.sleep(0.0001)
        clock.now += chance.choice([0.0, 0.1, LEASE])
        if crashes < 6 and chance.random() < 0.4:
            at = chance.randrange(2)
            if not running[at].done():
                crashes += 1
                running[at].cancel()
                await asyncio.gather(running[at], return_exceptions=True)
                running[at] = asyncio.create_task(connector())
    await asyncio.gather(*running)
    return provider.done, doubts, crashes


def too_often(done: dict[str, int], doubts: dict[str, int]) -> list[str]:
    return [one for one, count in done.items() if count > 1 + doubts[one]]


async def test_no_part_comes_more_often_than_its_doubts_allow(ledger):
    crashes = 0
    for seed in range(40):
        done, doubts, crashed = await live(ledger, seed)
        crashes += crashed
        assert set(done) == set(doubts), "every one was made"
        assert too_often(done, doubts) == []
    assert crashes > 20


class NoClaim(EmbeddedLedger):
    """Sabotage: everyone who claims gets it."""

    async def claim(self, delivery_id, n, *, token, lease):
        await super().claim(delivery_id, n, token=token, lease=lease)
        return True


class DoubtOverruled(EmbeddedLedger):
    """Sabotage: doubt is forgotten."""

    async def doubt(self, delivery_id, n, *, token, now):
        work = "DELETE FROM attempts WHERE delivery_id = ? AND n = ? AND result IS NULL"
        await self._database.write(lambda c: c.execute(work, (delivery_id, n)))
        return True


@pytest.mark.parametrize("sabotaged", [NoClaim, DoubtOverruled])
async def test_sabotage_is_caught(tmp_path, sabotaged):
    ledger = sabotaged(tmp_path / "sabotaged.db", synchronous="OFF")
    await ledger.open()
    try:
        for seed in range(60):
            done, doubts, _ = await asyncio.wait_for(live(ledger, seed), 60)
            if too_often(done, doubts):
                return
        pytest.fail("it was not caught")
    finally:
        await ledger.close()
