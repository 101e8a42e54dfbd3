"""Busy loops beside the tests: a suite that a slow machine can fail shows it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

# Each ends by itself when its parent does, and after three hours.
_LOOP = """
import os, time
parent, end = os.getppid(), time.monotonic() + 3 * 3600
while os.getppid() == parent and time.monotonic() < end:
    for _ in range(1_000_000):
        pass
"""


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Have so many loops run. Each is in a session of its own: the kernel shares a core by sessions first, so that many
    in one would count as one (man 7 sched, autogroup)."""
    running = [subprocess.Popen([sys.executable, "-c", _LOOP], start_new_session=True) for _ in range(loops)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()
