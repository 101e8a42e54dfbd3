"""One tier: pytest on a folder of tests, in a process of its own, and what came of it."""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build" / "tests"
_PYTEST: Final = [
    *("-m", "pytest", "--quiet", "--no-header", "--durations=5"),
    *("-o", "log_file_format=%(name)s %(levelname)s %(message)s"),
]

Running = subprocess.Popen[bytes]


class Tier(NamedTuple):
    """A folder of tests. `budget`: wall-clock seconds that it may take on two quiet cores; more is a warning."""

    name: str
    about: str
    budget: float


class Result(NamedTuple):
    """How a tier went. `seconds`: of wall clock; `cpu`: of it and all that it started and waited for; `failures`,
    `skipped`: which, and why; `engines`: how many of its tests passed against each real engine."""

    tier: Tier
    passed: int
    failures: list[str]
    skipped: list[str]
    seconds: float
    cpu: float
    engines: Counter[str]

    @property
    def failed(self) -> int:
        """How many of its tests failed."""
        return len(self.failures)

    @property
    def line(self) -> str:
        """How it went, in a row of the summary."""
        row = f"{self.tier.name:12} {self.passed:7} {self.failed:7} {len(self.skipped):8}"
        over = "  over its budget" if self.seconds > self.tier.budget else ""
        return f"{row} {self.seconds:8.0f} {self.tier.budget:7.0f} {self.cpu:7.0f}{over}"


class Way(NamedTuple):
    """How tiers are run. `scratch`: a folder for what they write; `measured`: coverage's options for this tier, empty
    where it is not measured; `options`: more of pytest's; `environment`: on top of this process's; `entrance`: what
    stands before its command, to run it somewhere else."""

    scratch: Path
    measured: Sequence[str]
    options: Sequence[str]
    environment: Mapping[str, str]
    engines: Sequence[str]
    entrance: Sequence[str] = ()


def run(tier: Tier, way: Way, began: Callable[[Running], None]) -> Result:
    """Run a tier, its output in a file of build/tests. `began`: is told its process."""
    report = BUILD / f"{tier.name}.xml"
    own = [f"tests/{tier.name}", f"--junitxml={report}", f"--basetemp={way.scratch / tier.name}"]
    own += ["-o", f"log_file={BUILD / tier.name}.log"]
    command = [*way.entrance, sys.executable, *way.measured, *_PYTEST, *own, *way.options]
    start = time.monotonic()
    with output(tier).open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **way.environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,  # Ctrl+C does not come to it by itself as well: a second one breaks off its ending
        )
        began(process)
        code, cpu = _waited(process)
    return _result(tier, report, code, _Spent(time.monotonic() - start, cpu), way.engines)


def output(tier: Tier) -> Path:
    """The file in build/tests that has what a tier printed."""
    return BUILD / f"{tier.name}.out"


def _waited(process: Running) -> tuple[int, float]:
    """Its exit code and the CPU seconds of it and of its children."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


class _Spent(NamedTuple):
    seconds: float
    cpu: float


def _result(tier: Tier, report: Path, code: int, spent: _Spent, engines: Sequence[str]) -> Result:
    if not report.exists():
        return Result(tier, 0, ["it ended before it had a report"], [], *spent, Counter())
    cases = list(ET.parse(report).getroot().iter("testcase"))
    skipped = [f"{case.get('name')}: {skip.get('message')}" for case in cases for skip in case.iter("skipped")]
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    failures = [f"{case.get('classname')}::{case.get('name')}" for case in failed]
    if code != 0 and not failures:
        failures = [f"pytest ended with {code}"]
    well = [str(case.get("name")) for case in cases if not list(case)]
    against = Counter(name for name in engines for case in well if re.search(rf"\b{name}\b", case))
    return Result(tier, len(cases) - len(failed) - len(skipped), failures, skipped, *spent, against)
