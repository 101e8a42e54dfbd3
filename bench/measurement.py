"""What a measurement is: how it is run once, and the rows that its figures make on the page."""

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.machine import Cores

OURS: Final = "ours"

# Figures by whose they are (`ours`, or a floor's name) and by name.
Run = dict[str, dict[str, float]]


class FaultError(Exception):
    """A measurement did not hold what it checks of itself: its figures would mean nothing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """A line of the page. `key`: the figure, ours and the floor's alike; `goal`: a bound on the ratio, in words."""

    what: str
    key: str
    better: str  # more or less
    floor: str | None = None
    digits: int = 0
    goal: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Occasion:
    """One run of a measurement. `folder`: for the run's files, empty; `say`: tells how far it is."""

    folder: Path
    cores: Cores
    quick: bool
    say: Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """`method`: for the reader of the page; `together`: its runs are made at the same time, as separate servers."""

    name: str
    title: str
    method: str
    rows: tuple[Row, ...]
    measure: Callable[[Occasion], Awaitable[Run]]
    together: bool = False
