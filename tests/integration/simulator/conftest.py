"""A module shares one simulator; each test has a bot of its own."""

from collections.abc import Iterator

import pytest
from tests.integration.simulator.world import Bot, Phone, Simulator, simulating


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The one a module shares."""
    with simulating(tmp_path_factory.mktemp("simulator") / "data", CHAT4ALL_SIMULATOR__RETRY_SECONDS="0.05") as running:
        yield running


@pytest.fixture
def bot(simulator: Simulator) -> Bot:
    """A bot of the test's own."""
    return simulator.bot()


@pytest.fixture
def phone(simulator: Simulator, bot: Bot) -> Phone:
    """Somebody who has begun to talk with the bot; the bot has had the update."""
    somebody = simulator.phone()
    somebody.write(bot, "/start")
    bot.updates(offset=bot.updates()[-1]["update_id"] + 1)
    return somebody
