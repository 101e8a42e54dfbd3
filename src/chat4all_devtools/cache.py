"""One folder outside the clone for what is fetched or built once: engines, and what npm brings.

CHAT4ALL_CACHE names it; by default it is `chat4all` in the user's cache folder (XDG_CACHE_HOME, else ~/.cache). It may
be removed at any time: what is missing is fetched or built again.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def folder(*names: str) -> Path:
    """A folder in the cache, made where it is not there."""
    named = os.environ.get("CHAT4ALL_CACHE")
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = (Path(named) if named else above / "chat4all").resolve().joinpath(*names)
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until no other process makes what has this name, and keep others waiting meanwhile."""
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
