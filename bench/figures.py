"""Exact percentiles of all samples, and a median with its spread."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """One figure of several runs."""

    least: float
    median: float
    most: float

    def written(self, digits: int) -> str:
        """The median, then the least and the most in brackets; of one run, that run's alone."""
        least, median, most = (f"{value:,.{digits}f}" for value in self)
        return median if self.least == self.most else f"{median} ({least}–{most})"


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(min(values), statistics.median(values), max(values))


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed (nearest rank). Of at least one sample."""
    ranked = sorted(samples)
    return ranked[max(math.ceil(percent / 100 * len(ranked)), 1) - 1]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, in milliseconds."""
    return {
        "p50_ms": percentile(seconds, 50) * 1000,
        "p99_ms": percentile(seconds, 99) * 1000,
        "p999_ms": percentile(seconds, 99.9) * 1000,
        "max_ms": max(seconds) * 1000,
    }
