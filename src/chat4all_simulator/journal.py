"""The simulator's log: one JSON object a line, only ever appended to. What it says happened, and nothing else did.

What is noted is written before a byte that follows from it leaves the process: whatever sends calls `flush` first. The
file is written without a buffer of ours, so the log outlives the process's kill (not the machine's: nothing is synced
to the disk). A line that was cut by the kill is cut off at the next start; nothing had been sent on it.
"""

import asyncio
import os
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from chat4all_simulator.clock import Clock

Entry = dict[str, Any]  # n: its number, from 1 without gaps; at: seconds since 1970; what: its kind; and what it tells

_ENTRIES_PER_PLACE: Final = 256  # the offset in the file is kept of one entry in so many


class JournalError(Exception):
    """A file cannot be read or written; the simulator must stop, for it would do what it cannot witness."""


class Journal:
    """The log on the file `path`, which is made if it is not there, for its owner's eyes only. Raises JournalError."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.last = 0  # the number of the last entry
        self.path = path
        self.broken = asyncio.Event()
        self._clock = clock
        self._places = array("Q")  # where in the file entries 1, 1 + _ENTRIES_PER_PLACE, … begin, in bytes
        self._size = 0
        self._waiting: list[bytes] = []
        self._listeners: set[Callable[[], None]] = set()
        self._encode = msgspec.json.Encoder().encode
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise JournalError(f"The log {path} cannot be opened: {error.strerror}.") from error

    def load(self) -> Iterator[Entry]:
        """Yield every entry in order, all before the first `note`. Raises JournalError if one is damaged."""
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    os.truncate(self.path, self._size)
                    return
                self._place(len(line))
                try:
                    yield msgspec.json.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise JournalError(f"{self.path}, line {self.last} is damaged: {error}.") from error

    def note(self, what: str, **fields: Any) -> int:
        """Append an entry of this kind with these fields; return its number."""
        line = self._encode({"n": self.last + 1, "at": round(self._clock.now(), 6), "what": what, **fields}) + b"\n"
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(line)
        self._place(len(line))
        return self.last

    def flush(self) -> None:
        """Write what was noted, and wake those who wait for it in `grown`. Raises JournalError."""
        if self.broken.is_set():
            raise JournalError(f"The log {self.path} could not be written before.")
        if not self._waiting:
            return
        lines, self._waiting = b"".join(self._waiting), []
        try:
            while lines:  # a full disk takes a part, and then none
                lines = lines[os.write(self._file, lines) :]
        except OSError as error:
            self.broken.set()
            raise JournalError(f"The log {self.path} cannot be written: {error.strerror}.") from error
        for listener in tuple(self._listeners):
            listener()

    def read(self, after: int, limit: int) -> list[Entry]:
        """Return at most `limit` entries after that number. It reads the file: call it in a thread."""
        if after >= self.last:
            return []
        entries: list[Entry] = []
        place = after // _ENTRIES_PER_PLACE
        with self.path.open("rb") as file:
            file.seek(self._places[place])
            for n, line in enumerate(file, place * _ENTRIES_PER_PLACE + 1):
                if not line.endswith(b"\n") or len(entries) == limit:
                    break
                if n > after:
                    entries.append(msgspec.json.decode(line))
        return entries

    async def grown(self, after: int) -> None:
        """Return when an entry after that number is in the file."""
        if self.last > after and not self._waiting:
            return
        more = asyncio.Event()
        self._listeners.add(more.set)
        try:
            await more.wait()
        finally:
            self._listeners.discard(more.set)

    def close(self) -> None:
        """Write the rest and close the file. Raises JournalError."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _place(self, length: int) -> None:
        if self.last % _ENTRIES_PER_PLACE == 0:
            self._places.append(self._size)
        self.last += 1
        self._size += length
