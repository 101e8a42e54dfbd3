"""The data folder of embedded mode: one process has it, and what belongs together in it is all there or not at all."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chat4all.model.errors import StartError

DATABASES: Final = ("log", "store", "ledger", "directory")  # NAME.db, in the order in which a first start makes them
_FILES: Final = tuple(f"{name}.db{suffix}" for name in DATABASES for suffix in ("", "-wal", "-shm", "-journal"))


@contextlib.contextmanager
def claimed(data: Path) -> Iterator[None]:
    """Hold the data folder for this process alone. Raises StartError while another one has it."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "lock").open("a+b", buffering=0)
    except OSError as error:
        raise _cannot_keep(data, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().decode().strip() or "?"
            raise StartError(f"{data} is in use by process {holder}; stop that one first.") from error
        try:
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
        except OSError as error:
            raise _cannot_keep(data, error) from error
        yield


def _cannot_keep(data: Path, error: OSError) -> StartError:
    return StartError(f"Cannot keep data in {data}: {error.strerror}. Make room there, or set CHAT4ALL_EMBEDDED__DATA.")


def clear(data: Path) -> None:
    """Delete what embedded mode keeps in this folder, and nothing else that may be in it."""
    for name in _FILES:
        (data / name).unlink(missing_ok=True)
    for key in (data / "keys").glob("*.pem"):
        key.unlink()


def missing(data: Path) -> Sequence[str]:
    """The names of the databases that are not there while others are; none where all are there, or none is yet."""
    gone = [name for name in DATABASES if not (data / f"{name}.db").exists()]
    return gone if len(gone) < len(DATABASES) else []
