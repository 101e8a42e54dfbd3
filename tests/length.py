"""How long the tests are: short in `make test`, long where PROOF=long says so, as the targets of single tiers do.

A test marked `long` runs where it is long. Of the cases of one marked `sampled(n)`, n run where it is short, always the
same ones; PROOF_SEED draws others.
"""

import os
import random
from collections.abc import Sequence
from typing import Final

import pytest

IS_LONG: Final = os.environ.get("PROOF", "") == "long"
SEED: Final = int(os.environ.get("PROOF_SEED", "18"))


def left_out(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Those that do not run where it is short."""
    found = [one for one in items if one.get_closest_marker("long")]
    cases: dict[str, list[pytest.Item]] = {}
    for one in items:
        if one.get_closest_marker("sampled"):
            cases.setdefault(one.nodeid.partition("[")[0], []).append(one)
    for name, several in cases.items():
        mark = several[0].get_closest_marker("sampled")
        number = mark.args[0] if mark else 0
        kept = random.Random(f"{SEED} {name}").sample(several, min(number, len(several)))
        found += [one for one in several if one not in kept]
    return found
