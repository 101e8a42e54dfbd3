"""Which releases a schema serves, so that old and new processes can run beside each other while one takes over.

A schema has a version, the number of its newest step, and remembers the oldest release that it still serves, named by
the newest step that this release knows. A step that only adds serves whoever was served before. A step that takes
something away serves only releases that know the step that replaced it, and comes at least one release later.
"""

from typing import NamedTuple

from chat4all.model.errors import NotMigratedError


class Schema(NamedTuple):
    """A schema as it was found. `version`: its newest step, nought without any; `serves`: the oldest release."""

    version: int
    serves: int


def check(what: str, found: Schema, own: int) -> None:
    """See that a schema can be worked with by a release whose newest step is `own`. Raises NotMigratedError."""
    if found.version < own:
        version = found.version or "empty"
        raise NotMigratedError(f"The {what}'s schema is {version}, and {own} is needed")
    if found.serves > own:
        text = (
            f"The {what}'s schema is {found.version}; it serves releases that know {found.serves}; this one knows {own}"
        )
        raise NotMigratedError(
            text,
            "run a newer release, or restore a backup from before that migration",
        )


def number(version: str) -> int:
    """Return the number of a step: 2 of `v0002_ledger`."""
    return int("".join(filter(str.isdigit, version.partition("_")[0])))
