"""An engine that is away is not the only thing that a log speaks of: a line when it goes, and one when it is back."""

import io
import logging
from collections.abc import Callable, Iterator

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

from chat4all.drivers.outage import Outage
from chat4all.log.kafka.log import KafkaLog
from chat4all.log.port import Entry
from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import EngineUnavailableError
from chat4all.telemetry import logs

NOBODY = "127.0.0.1:1"
TRIES = 20


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said(clock: Clock) -> Iterator[Callable[[], list[str]]]:
    """What has been said since the last look, by a handler as a process has it."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.addFilter(logs.Repeats(clock))
    root = logging.getLogger()
    root.addHandler(handler)

    def look() -> list[str]:
        found = lines.getvalue().splitlines()
        lines.seek(0)
        lines.truncate()
        return found

    yield look
    root.removeHandler(handler)


def test_each_change_is_a_line(clock: Clock, said: Callable[[], list[str]]) -> None:
    outage = Outage("Kafka", clock=clock)
    outage.answered()
    for _ in range(TRIES):
        outage.failed("no answer")
        clock.now += 0.5
        outage.answered()  # some calls go through, others do not
    clock.now += 0.5
    for _ in range(TRIES):
        outage.answered()
    outage.failed("gone again")
    assert said() == ["Kafka is away: no answer", "Kafka is back after 10 s", "Kafka is away: gone again"]


async def test_a_client_that_tries_again_and_again_says_once_why(clock: Clock, said: Callable[[], list[str]]) -> None:
    client = AIOKafkaClient(bootstrap_servers=NOBODY)
    for _ in range(TRIES):
        with pytest.raises(KafkaConnectionError):
            await client.bootstrap()
    [line] = said()
    assert "Unable connect" in line
    clock.now += 61
    with pytest.raises(KafkaConnectionError):
        await client.bootstrap()
    assert said() == [line], "after a quiet minute it is said anew"
    await client.close()


async def test_a_log_that_is_asked_again_and_again_says_once_that_it_is_away(said: Callable[[], list[str]]) -> None:
    log = KafkaLog(KafkaSettings(servers=NOBODY))
    ours = logging.getLogger("chat4all.test")
    for _ in range(TRIES):
        with pytest.raises(EngineUnavailableError) as error:
            await log.append([Entry("topic", b"key", b"value")])
        ours.warning("The outbox is waiting: %s", error.value)
    lines = said()
    assert len(lines) == len(set(lines)) <= 3, lines
    assert sum("is away" in line for line in lines) == 1
    assert sum("The outbox is waiting" in line for line in lines) == 1
    await log.close()


def test_what_is_no_engine_s_is_said_each_time(said: Callable[[], list[str]]) -> None:
    for _ in range(3):
        logging.getLogger("chat4all.test").warning("A message of %s has no sender", "c")
    assert len(said()) == 3
