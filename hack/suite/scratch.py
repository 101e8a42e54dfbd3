"""A folder for what tests write: in memory where there is room for it, gone at the end."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 8 << 30  # bytes: engines twice, some dozens of servers, a browser
_PREFIX: Final = "chat4all-tests-"


@contextlib.contextmanager
def made() -> Iterator[Path]:
    """Make the folder, and name it as TMPDIR to all that is started from here."""
    above = _MEMORY if _has_room() else Path(tempfile.gettempdir())
    for left in above.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{left.name.removeprefix(_PREFIX)}").exists():
            shutil.rmtree(left, ignore_errors=True)  # of a run that was killed
    folder = above / f"{_PREFIX}{os.getpid()}"
    folder.mkdir()  # open to others: PostgreSQL is run by a user of its own, who has to come to its part of it
    before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)


def _has_room() -> bool:
    """Whether it is a memory file system with so much room, and the machine has so much memory to spare."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    in_memory = any(where == str(_MEMORY) and kind == "tmpfs" for _, where, kind, *_ in mounts)
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    spare = int(available.split()[1]) << 10
    return in_memory and min(shutil.disk_usage(_MEMORY).free, spare) >= _ROOM
