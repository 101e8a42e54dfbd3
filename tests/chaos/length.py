"""How long each proof is: short in `make test`, long in `make chaos` (PROOF=long). And the seed of all chance."""

import os
from typing import Final, NamedTuple

SEED: Final = int(os.environ.get("CHAOS_SEED", "20261122"))
IS_LONG: Final = os.environ.get("PROOF", "") == "long"


class Length(NamedTuple):
    """Of one proof. `kills`: at named points; `work`: what is done at least, in the proof's own unit (posts, messages
    to each phone, rounds); `wide`: how much of it side by side (phones, conversations)."""

    kills: int
    work: int
    wide: int = 1


_LENGTHS: Final = {
    #             short                 long
    "changes": (Length(3, 3, 3), Length(30, 30, 6)),
    "stopped": (Length(2, 30), Length(12, 200)),
    "two faults": (Length(1, 2, 2), Length(8, 4, 3)),
    "starts": (Length(2, 2, 3), Length(20, 6, 3)),
    "deliveries": (Length(3, 6, 20), Length(15, 10, 200)),
    "disks": (Length(1, 20, 1), Length(6, 100, 9)),
    "impatient": (Length(0, 60), Length(0, 1500)),
    "kills": (Length(3, 500), Length(25, 5000)),
    "order": (Length(2, 100, 3), Length(20, 3000, 3)),
}


def length_of(proof: str) -> Length:
    """Of the proof of this name, as it is asked for."""
    return _LENGTHS[proof][IS_LONG]
