"""Fixtures that every unit test may ask for: a world of the spine whose engines are the embedded twins."""

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
