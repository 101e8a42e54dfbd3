"""The roles as separate processes on real engines, shared by the tests of a session."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.collector import Collector, collecting

from chat4all.processes.simulator import simulating
from chat4all_devtools.stack.roles import Roles
from chat4all_devtools.stack.stack import Stack

UNLIMITED = {
    "CHAT4ALL_API__POSTS_PER_SECOND": "100000",
    "CHAT4ALL_API__POST_BURST": "100000",
    "CHAT4ALL_ACCOUNTS__LOGINS_PER_MINUTE": "100000",
    "CHAT4ALL_ACCOUNTS__LOGIN_BURST": "1000",
    "CHAT4ALL_GATEWAY__REPLAY_LIMIT": "100000",
    "CHAT4ALL_CHANNELS__ATTEMPT_SECONDS": "3",
}


@pytest.fixture(scope="session")
def phones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a simulator."""
    folder = tmp_path_factory.mktemp("phones")
    with simulating(0, folder / "data", folder / "simulator.log") as url:
        yield url


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where all processes send their traces."""
    with collecting() as running:
        yield running


@pytest.fixture(scope="session")
def roles(
    engines: Stack, phones: str, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Roles]:
    """All of them, ready; each process's output is a log that is searched for secrets."""
    folder = tmp_path_factory.mktemp("roles")
    assert folder.is_relative_to(Path(tempfile.gettempdir())) or folder.exists()
    running = Roles(engines, folder)
    running.set(**UNLIMITED, CHAT4ALL_CHANNELS__SIMULATOR=phones)
    running.set(CHAT4ALL_TRACING__ENDPOINT=collector.url, CHAT4ALL_TRACING__RATIO="0")
    running.migrate()
    try:
        running.start()
        yield running
    finally:
        codes = running.stop()
    assert codes == 0, "a process did not end well"
