"""Coverage: branches of the product that tests went through."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hack.suite.tier import ROOT

# In the tests' own processes alone, of the tiers named: what measuring costs (it doubles the time) stays out of every
# process that they start. The bound is what was measured, less half a point.
IN_PROCESS: Final = ("unit", "contract", "integration")
_IN_PROCESS_BOUND: Final = 70.2
# Of all tiers and every process: `make coverage`.
_EVERYWHERE: Final = Path("hack/suite/coverage.toml")
_EVERYWHERE_BOUND: Final = 90.0


def options(tier: str, *, everywhere: bool) -> Sequence[str]:
    """What stands before pytest so that a tier is measured; nothing where it is not."""
    if everywhere:
        return ["-m", "coverage", "run", f"--rcfile={_EVERYWHERE}"]
    return ["-m", "coverage", "run"] if tier in IN_PROCESS else []


def forget() -> None:
    """Remove what earlier runs measured."""
    for old in ROOT.glob(".coverage*"):
        old.unlink()


def is_enough(*, everywhere: bool) -> bool:
    """Combine what the tiers measured, print it, and hold it against its bound."""
    file = [f"--rcfile={_EVERYWHERE}"] if everywhere else []
    bound = _EVERYWHERE_BOUND if everywhere else _IN_PROCESS_BOUND
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet", *file], cwd=ROOT, check=False)
    done = subprocess.run([*coverage, "report", *file, f"--fail-under={bound}"], cwd=ROOT, check=False)
    return done.returncode == 0
