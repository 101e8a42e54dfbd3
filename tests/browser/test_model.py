"""What the console knows, without a server: its modules in the browser that runs them, a table of cases each."""

from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLES: Final = sorted((Path(__file__).parent / "model").glob("*.js"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
async def test_the_model(hub, desk, table):
    """Each file gives {case: [what it is, what it should be]}."""
    window = await (await desk.window(hub)).visit()
    cases = await window.page.evaluate(table.read_text())
    assert cases, "a table has cases"
    wrong = {case: f"{found!r}, not {expected!r}" for case, (found, expected) in cases.items() if found != expected}
    assert not wrong
