"""The embedded system, whole and real, in the loop of the test: engines on disk, loops, HTTP and WebSocket on a port.

A module shares one system: its tests run in one loop (`pytestmark = pytest.mark.asyncio(loop_scope="module")`) and
keep out of each other's way by conversations and users of their own. A test that needs other settings starts one:
`await start(api={"posts_per_second": 1.0})`.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.commands import serving
from tests.integration.people import DEADLINE, Person, System
from tests.integration.simulator.world import Bot, Simulator, simulating
from tests.integration.wires import Phone

from chat4all.accounts.passwords import Passwords
from chat4all.processes import addresses, config, embedded, roles
from chat4all.processes.process import Process
from chat4all_devtools.server import Server

Start = Callable[..., Awaitable[System]]

_GENEROUS: dict[str, dict[str, Any]] = {
    "server": {"port": 0, "drain_seconds": 1},
    "internal": {"port": 0},
    "log": {"partitions": 4},
    "accounts": {"logins_per_minute": 10_000.0, "login_burst": 10_000},
    "api": {"posts_per_second": 10_000.0, "post_burst": 10_000},
    "gateway": {},
    "routing": {},
    "channels": {"folder": "no-connectors"},
    "tracing": {},
}


@pytest.fixture(scope="session", autouse=True)
def lasting() -> Iterator[None]:
    """What is imported stays: whoever collects garbage, as fixtures do at their end, need not look at it."""
    gc.freeze()
    yield
    gc.unfreeze()


@contextlib.asynccontextmanager
async def running(data: Path, **overrides: dict[str, Any]) -> AsyncIterator[System]:
    """Run a system on this folder. `overrides`: settings by section, as `accounts={"registration": "admins"}`."""
    sections = {name: {**given, **overrides.get(name, {})} for name, given in _GENEROUS.items()}
    settings = embedded.settings_of(config.Settings.model_validate({**sections, "embedded": {"data": data}}))
    bound = addresses.bind(settings, roles.ALL, operations=False)
    process = Process(embedded.engines(settings), settings, roles.ALL, bound, passwords=Passwords.cheap())
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(process.running())
        system = System(process, bound[addresses.PUBLIC].getsockname()[1])
        try:
            yield system
            broken = {name: fault for name, fault in process.loops.live().items() if fault}
            assert not broken, f"loops that must turn ended: {broken}"
        finally:
            await system.close()
            async with asyncio.timeout(DEADLINE):
                await stack.aclose()
            gc.collect()  # what was left open is blamed on who did it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """The system that a module shares, with limits that no test reaches by accident."""
    async with running(tmp_path_factory.mktemp("system")) as shared:
        yield shared


@pytest_asyncio.fixture(loop_scope="module")
async def phone() -> AsyncIterator[Phone]:
    """Opens WebSockets, which are closed at the end of the test."""
    async with contextlib.AsyncExitStack() as stack:
        yield Phone(stack)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def carol(system: System) -> Person:
    """Somebody who shares nothing with the others until a test says so."""
    return await system.register("carol")


@pytest_asyncio.fixture(loop_scope="module")
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a system of the test's own, in a folder of its own or in `data`: `await start(data=..., api={...})`."""
    async with contextlib.AsyncExitStack() as stack:
        folders = (tmp_path / f"system{number}" for number in range(100))

        async def begin(*, data: Path | None = None, **overrides: dict[str, Any]) -> System:
            one = contextlib.AsyncExitStack()
            started = await one.enter_async_context(running(data or next(folders), **overrides))
            stack.push_async_callback(one.aclose)
            started.stop = one.aclose
            return started

        yield begin


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The simulator that a module shares, without limits."""
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


@pytest.fixture
def bot(simulator: Simulator) -> Bot:
    """A bot of the test's own."""
    return simulator.bot()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The process of `chat4all dev` that a module's commands share."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running
