"""Small file systems of a proof's own that become full, freeze, or turn read-only as on a fault of the disk."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

_SIZE: Final = "48M"
_MOUNTS: Final = "a file system of one's own can be mounted by root only"


class Full:
    """A tmpfs that a big file fills to its last byte."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._filler = place / "filler"
        run("mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place))

    def fault(self) -> None:
        """Nothing more can be written to it."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def leave(self, room: int) -> None:
        """So many bytes can be written to it."""
        self.fault()
        os.truncate(self._filler, self._filler.stat().st_size - room)

    def mend(self) -> None:
        """Remove the file that fills it, so that there is room again."""
        self._filler.unlink()


class Frozen:
    """An ext4 whose writers are made to wait, as while a snapshot is taken or a disk that hangs."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._is_frozen = False
        self.image = place.with_suffix(".image")
        run("truncate", "-s", _SIZE, str(self.image))
        run("mkfs.ext4", "-q", str(self.image))
        self.mount()

    def mount(self) -> None:
        """As Linux mounts disks: on a fault of the file system it is read-only from then on."""
        run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self._place))

    def fault(self) -> None:
        """Freeze it: whoever writes to it waits until `mend`."""
        run("fsfreeze", "-f", str(self._place))
        self._is_frozen = True

    def mend(self) -> None:
        """Thaw it, so that the writers that wait go on; does nothing where it is not frozen."""
        if self._is_frozen:
            run("fsfreeze", "-u", str(self._place))
        self._is_frozen = False


class ReadOnly(Frozen):
    """An ext4 that turns read-only by a fault in it, and is well only when it was unmounted and looked through."""

    def fault(self) -> None:
        """The kernel meets a fault while writers are made to wait, and then lets nobody write any more.

        A fault that meets writers is no fair proof: for the milliseconds until ext4 refuses, fdatasync answers that a
        file's new end is on disk when the journal that would have kept it is given up already. Three files that grew,
        each synced at each append, were shorter after e2fsck than synced in 22 of 60 such faults on Linux 6.18, and in
        none of 60 like this one. See ext4_handle_error in https://github.com/torvalds/linux/blob/v6.18/fs/ext4/super.c
        and jbd2_complete_transaction in https://github.com/torvalds/linux/blob/v6.18/fs/jbd2/journal.c.
        """
        device = run("findmnt", "-no", "SOURCE", str(self._place)).strip()
        super().fault()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("a proof", encoding="utf-8")
        super().mend()

    def mend(self) -> None:
        """As an operator does it; nobody may have a file there open."""
        run("umount", str(self._place))
        run("e2fsck", "-fy", str(self.image), well=(0, 1))
        self.mount()


@contextlib.contextmanager
def mounted(kind: Callable[[Path], Full | Frozen], place: Path) -> Iterator[Full | Frozen]:
    """One of them. Skips where this machine cannot have it, and says why."""
    if os.geteuid() != 0:
        pytest.skip(_MOUNTS)
    place.mkdir()
    try:
        disk = kind(place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"{_MOUNTS}; here it cannot: {error} {getattr(error, 'stderr', '')}")
    try:
        yield disk
    finally:
        if isinstance(disk, Frozen):
            Frozen.mend(disk)
        run("umount", str(place))
        if isinstance(disk, Frozen):
            disk.image.unlink()


def run(*command: str, well: tuple[int, ...] = (0,)) -> str:
    """What it says. Raises CalledProcessError, OSError."""
    program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    done = subprocess.run([program or command[0], *command[1:]], check=False, capture_output=True, text=True)
    if done.returncode not in well:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout
