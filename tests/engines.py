"""The real engines that tests run against: of the stack whose folder STACK names."""

import os
import signal
import time
from pathlib import Path

import pytest

from chat4all_devtools.stack.engine import Engine
from chat4all_devtools.stack.stack import Stack

DEADLINE = 120.0  # seconds


def running() -> Stack:
    """Those that run. Skips the test where none do."""
    folder = os.environ.get("STACK")
    stack = Stack(Path(folder or "nowhere").resolve())
    if folder is None or any(engine.pid is None for engine in stack.engines):
        pytest.skip("not all real engines run: make stack-up, then STACK=.stack")
    return stack


def restart(engine: Engine) -> None:
    """Kill it and start it again on what it has on disk."""
    engine.signal(signal.SIGKILL)
    deadline = time.monotonic() + DEADLINE
    while engine.alive:
        assert time.monotonic() < deadline, f"{engine.title} does not end"
        time.sleep(0.02)
    engine.start()
    engine.wait()
