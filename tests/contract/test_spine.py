"""The spine on real engines: every sabotaged variant is caught there too, and the real one passes the very same
interleaving. The interleavings are tests/unit/spine's. They are lived side by side, each in a world of its own: most of
their time is silence, in which the broker's group waits for a router that is gone."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from tests.contract.spine_engines import RealEngines, empty_outbox
from tests.unit.spine.sabotage import SABOTAGED, Sabotaged
from tests.unit.spine.test_sabotage import live
from tests.unit.test_attempts import live as lives
from tests.unit.test_attempts import too_often

from chat4all.directory.settings import DirectorySettings
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.store.cassandra.ledger import CassandraLedger
from chat4all.store.settings import CassandraSettings
from chat4all_devtools.stack.stack import Stack

pytestmark = pytest.mark.engine
DEADLINE = 600.0  # seconds for a life of many attempts


class Life(NamedTuple):
    """An interleaving, and whether what is real lives it or the variant that it has to catch."""

    name: str
    sabotaged: bool


LIVES = [Life(name, sabotaged) for name in SABOTAGED for sabotaged in (True, False)]
AT_ONCE = 6  # more keep each other waiting


@pytest.fixture(scope="module", params=["kafka, cassandra, postgresql, redis"])  # by these the summary counts
def ends(
    engines: Stack, keyspace: CassandraSettings, database: DirectorySettings
) -> Mapping[Life, BaseException | None]:
    """How each life ended: with what the judge said, or well."""
    broker, redis = engines["kafka"].address, engines["redis"]

    async def lived(life: Life, places: asyncio.Semaphore) -> None:
        wrong = SABOTAGED[life.name] if life.sabotaged else Sabotaged()
        pushes = RedisSettings(
            port=redis.port(),
            password_file=redis.password,
            prefix=f"contract:{uuid.uuid4().hex}:",
            request_seconds=10.0,
        )
        async with places:
            await live(life.name, RealEngines(broker, keyspace, database, pushes, **wrong.engines), **wrong.world)

    async def all_of_them() -> list[BaseException | None]:
        await empty_outbox(database)
        places = asyncio.Semaphore(AT_ONCE)
        return await asyncio.gather(*(lived(life, places) for life in LIVES), return_exceptions=True)

    return dict(zip(LIVES, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", SABOTAGED)
def test_the_directed_interleaving_catches(ends: Mapping[Life, BaseException | None], name: str) -> None:
    end = ends[Life(name, sabotaged=True)]
    assert isinstance(end, AssertionError), f"{name} was not caught; it ended with {end!r}"


@pytest.mark.parametrize("name", SABOTAGED)
def test_the_real_one_survives(ends: Mapping[Life, BaseException | None], name: str) -> None:
    end = ends[Life(name, sabotaged=False)]
    if end is not None:
        raise end


class NoClaim(CassandraLedger):
    """Sabotage: everyone who claims gets it."""

    async def claim(self, delivery_id: str, n: int, *, token: str, lease: int) -> bool:
        await super().claim(delivery_id, n, token=token, lease=lease)
        return True


@pytest.fixture(params=["cassandra"])
async def ledgers(keyspace: CassandraSettings):
    made = CassandraLedger(keyspace), NoClaim(keyspace)
    yield made
    for one in made:
        await one.close()


async def test_claim_off_is_caught_and_with_it_no_part_comes_too_often(ledgers) -> None:
    """Two connectors that crash, sleep and are not answered, by chance."""
    right, wrong = ledgers
    caught = False
    for seed in range(20):
        done, doubts, _ = await asyncio.wait_for(lives(right, seed), DEADLINE)
        assert too_often(done, doubts) == []
        done, doubts, _ = await asyncio.wait_for(lives(wrong, seed), DEADLINE)
        if too_often(done, doubts):
            caught = True
            break
    assert caught
