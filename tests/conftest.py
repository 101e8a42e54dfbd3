"""What every tier's tests may use."""

import logging
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests import length
from tests.engines import running

from chat4all_devtools.stack.stack import Stack

LEFT_OUT = pytest.StashKey[list[str]]()

# A shell without job control starts what it puts into the background with SIGINT ignored; so would be every command
# that a test starts, and Ctrl+C would not end it. nohup does the same with SIGHUP.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


def pytest_configure() -> None:
    """Our own logs are whole, and searched for secrets; libraries' finest lines would cost more than the rest."""
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("chat4all").setLevel(logging.DEBUG)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for the long run alone."""
    if not length.IS_LONG and (without := length.left_out(items)):
        config.hook.pytest_deselected(items=without)
        config.stash[LEFT_OUT] = [one.nodeid for one in without]
        items[:] = [one for one in items if one not in without]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left out, and how it is run."""
    for one in config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(f"left out, for PROOF=long: {one}")


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line of what a proof did: its seed, how often each fault was hit, whether the test passes or not."""
    plugins = request.config.pluginmanager
    terminal, capture = plugins.getplugin("terminalreporter"), plugins.getplugin("capturemanager")

    def write(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)

    return write


@pytest.fixture(scope="session")
def engines() -> Stack:
    """The real engines; a test that asks for them is skipped where there are none."""
    return running()
