"""A development loop: when the program's own sources change, the process ends in order and starts again, in place."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

import chat4all

_LOOK_SECONDS: Final = 0.5
_SOURCES: Final = Path(chat4all.__file__).parent


class Reloading:
    """Watches the sources of the program, in a thread of its own that ends with the process."""

    def __init__(self) -> None:
        self.has_changed = False
        threading.Thread(target=self._watch, name="sources", daemon=True).start()

    def _watch(self) -> None:
        before = _times()
        while _times() == before:
            time.sleep(_LOOK_SECONDS)  # between looks: this is what the thread does
        self.has_changed = True
        os.kill(os.getpid(), signal.SIGTERM)


def start_again() -> None:
    """Take the place of this process with a fresh one of the same command, number and descriptors."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # what is ignored stays so in the next program
    os.execv(sys.executable, [sys.executable, "-m", "chat4all", *sys.argv[1:]])  # noqa: S606 - there is no shell


def _times() -> dict[str, int]:
    """When each source was last changed, ns."""
    return {str(file): file.stat().st_mtime_ns for file in _SOURCES.rglob("*.py")}
