"""A small file for this user alone that is there whole or not at all, whenever the process or the machine ends."""

import contextlib
import os
import secrets
from pathlib import Path


def make(path: Path, content: bytes) -> None:
    """Make it; on return it is on disk. Raises FileExistsError where there is one, OSError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.link(draft, path)  # where a rename would put it in the place of another's
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
