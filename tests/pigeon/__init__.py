"""A third channel that lives only here: a package of its own, found by its entry point."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """While this lasts the package is on the path, as pip would have left it."""
    folder = str(Path(__file__).parent / "site")
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
