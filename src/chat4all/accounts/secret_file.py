"""Makes small files for this user alone that are whole or absent, whenever the process or the machine ends."""

import contextlib
import os
import secrets
from pathlib import Path


def make(path: Path, content: bytes) -> None:
    """Make the file; when this returns, it is on disk. Raises FileExistsError if there is one, and OSError."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
        os.link(draft, path)  # a rename would replace a file that is there already
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
