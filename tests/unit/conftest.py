"""What unit tests share."""

from collections.abc import AsyncIterator

import pytest
from tests.unit.spine.engines import EmbeddedEngines
from tests.unit.spine.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """The spine over the embedded twins, open, in a folder of its own."""
    made = World(EmbeddedEngines())
    await made.open()
    yield made
    await made.close()
