"""The spine on real engines: every sabotaged variant is caught there too, and the real one passes the very same
interleaving. The interleavings are tests/unit/spine's."""

import asyncio
from functools import partial

import pytest
from hack.stack.stack import Stack
from tests.contract.spine_engines import RealEngines
from tests.unit.spine.sabotage import SABOTAGED
from tests.unit.spine.test_sabotage import live
from tests.unit.test_attempts import live as lives
from tests.unit.test_attempts import too_often

from chat4all.directory.settings import DirectorySettings
from chat4all.redis_settings import RedisSettings
from chat4all.store.cassandra_ledger import CassandraLedger
from chat4all.store.settings import CassandraSettings

pytestmark = pytest.mark.engine
DEADLINE = 600.0  # seconds for a life of many attempts


@pytest.fixture(params=["kafka, cassandra, postgresql, redis"])  # the names by which the summary counts
def made(
    engines: Stack, keyspace: CassandraSettings, database: DirectorySettings, redis_server: RedisSettings
) -> partial[RealEngines]:
    return partial(RealEngines, engines["kafka"].address, keyspace, database, redis_server)


@pytest.mark.parametrize("name", SABOTAGED)
async def test_the_directed_interleaving_catches(made: partial[RealEngines], name: str) -> None:
    with pytest.raises(AssertionError):
        await live(name, made(**SABOTAGED[name].engines), **SABOTAGED[name].world)


@pytest.mark.parametrize("name", SABOTAGED)
async def test_the_real_one_survives(made: partial[RealEngines], name: str) -> None:
    await live(name, made())


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
