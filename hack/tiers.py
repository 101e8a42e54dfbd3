"""Run test tiers and say what ran, for how long, and what was skipped and why.

`python hack/tiers.py all` runs every tier and holds branch coverage and the logs against their bounds;
`python hack/tiers.py unit contract` runs just those, and without real engines, unless STACK says where some run.
In CI (CI=true) a skipped test is a failure.
"""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hack.stack.engine import StackError
from hack.stack.stack import ENGINES, Stack

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build" / "tests"
TIERS: Final = {
    "unit": "pure rules, tables of cases, the spine under faults",
    "contract": "one suite per port, over every twin: embedded, and the real engines",
    "integration": "the whole system over real HTTP and WebSockets, and the command line",
    "distributed": "a process per role on real engines, each of which is killed and stopped",
    "browser": "the console in Chromium: two people, kills, 10,000 messages, scripts, axe",
    "chaos": "a server killed again and again under load",
}
NEEDS_ENGINES: Final = "distributed"  # nothing is left of it without them
PYTEST: Final = [
    *("-m", "pytest", "--quiet", "--no-header", "--durations=3", "-o", "log_file_level=DEBUG"),
    *("-o", "log_file_format=%(name)s %(levelname)s %(message)s"),
]
MEASURED: Final = ["-m", "coverage", "run"]
QUICK: Final = {"SPINE_LIVES": "15"}  # random lives of the spine in the inner loop
LONG: Final = ["--deselect", "tests/unit/spine/test_sabotage.py::test_random_lives_catch"]  # not in the inner loop

# What must never be in a log: a JWT, a password hash, a password of a test, a bot's token, a webhook's secret.
# `demo` is in the README and in the welcome.
SECRETS: Final = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]+|\$argon2id\$\S+|long-enough|correct-horse|\bpassword=(?!demo\b)\w"
    r"|\b\d{6,}:[\w-]{30,}|secret_of_this|golden-ring"
)


class Result(NamedTuple):
    """How a tier went. `engines`: how many of its tests passed against each real engine."""

    tier: str
    passed: int
    failed: int
    skipped: list[str]
    seconds: float
    engines: Counter[str]


def run(tier: str, *, whole: bool) -> Result:
    """Run one tier in a process of its own, its temporary files and logs kept in build/; the whole under coverage."""
    print(f"\n=== {tier}: {TIERS[tier]}", flush=True)
    folder = BUILD / tier
    report = folder / "junit.xml"
    options = [f"tests/{tier}", f"--junitxml={report}", f"--basetemp={folder / 'tmp'}", "-o", f"log_file={folder}.log"]
    folder.mkdir()
    began = time.monotonic()
    without = () if "STACK" in os.environ else ("-m", "not engine")
    command = [sys.executable, *(MEASURED if whole else ()), *PYTEST, *options, *without, *(() if whole else LONG)]
    done = subprocess.run(command, cwd=ROOT, check=False, env={**({} if whole else QUICK), **os.environ})
    seconds = time.monotonic() - began
    if not report.exists():
        return Result(tier, 0, 1, [], seconds, Counter())
    cases = list(ET.parse(report).getroot().iter("testcase"))
    skipped = [f"{case.get('name')}: {skip.get('message')}" for case in cases for skip in case.iter("skipped")]
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    if done.returncode != 0:
        failed = max(failed, 1)
    well = [str(case.get("name")) for case in cases if not list(case)]
    engines = Counter(name for name in ENGINES for case in well if re.search(rf"\b{name}\b", case))
    return Result(tier, len(cases) - failed - len(skipped), failed, skipped, seconds, engines)


@contextlib.contextmanager
def real_engines() -> Iterator[dict[str, str]]:
    """A stack of the tests' own, gone at the end; the version of each engine. Nothing, where it cannot be had."""
    # Not below the project: PostgreSQL is run by a user of its own, who has to come there.
    folder = Path(tempfile.mkdtemp(prefix="chat4all-stack-"))
    folder.chmod(0o755)
    stack = Stack(folder)
    print("\n=== real engines: installing if need be, starting", flush=True)
    try:
        began = time.monotonic()
        logging.disable()  # clients say much about servers that are still starting
        versions = stack.up(free_ports=True)
        print(", ".join(f"{name} {version}" for name, version in versions.items()), end="; ")
        print(f"{time.monotonic() - began:.0f} s", flush=True)
        os.environ["STACK"] = str(folder)
        yield versions
    except StackError as error:
        print(f"No real engines: {error}", flush=True)
        os.environ["STACK"] = str(folder)  # their tests then say so, instead of being left out
        yield {}
    finally:
        del os.environ["STACK"]
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)


def leaks() -> list[str]:
    """Lines of our own logs that hold a secret: of this run's in-process systems, and of every server it started."""
    found = []
    for file in BUILD.rglob("*.log"):
        ours = file.parent != BUILD  # a server's own log; else pytest's, in which clients and libraries write too
        found += [
            f"{file.relative_to(ROOT)}: {SECRETS.sub('[a secret]', line)[:200]}"
            for line in file.read_text(errors="replace").splitlines()
            if (ours or line.startswith("chat4all")) and SECRETS.search(line)
        ]
    return found


def coverage() -> int:
    """Combine what the tiers measured and print it; nought if it is enough (pyproject.toml says what is)."""
    subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet"], cwd=ROOT, check=False)
    return subprocess.run([sys.executable, "-m", "coverage", "report"], cwd=ROOT, check=False).returncode


def main(names: list[str]) -> int:
    """Run the tiers named; `all` is every one."""
    whole = names == ["all"]
    tiers = list(TIERS) if whole else names
    if unknown := [name for name in tiers if name not in TIERS]:
        print(f"There is no tier {', '.join(unknown)}; there are {', '.join(TIERS)}.", file=sys.stderr)
        return 2
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    versions: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if whole or (NEEDS_ENGINES in tiers and "STACK" not in os.environ):
            versions = stack.enter_context(real_engines())
        results = [run(tier, whole=whole) for tier in tiers]
    wrong = whole and coverage() != 0
    found = leaks()
    print("\nTier          passed  failed  skipped  seconds")
    for result in results:
        print(f"{result.tier:12} {result.passed:7} {result.failed:7} {len(result.skipped):8} {result.seconds:8.0f}")
    for result in results:
        for reason in result.skipped:
            print(f"skipped in {result.tier}: {reason}")
    for leak in found[:20]:
        print(f"a secret in a log: {leak}")
    for engine, version in versions.items():
        print(f"{engine} {version}: {sum(result.engines[engine] for result in results)} tests passed against it")
    servers = sum(file.parent != BUILD for file in BUILD.rglob("*.log"))
    print(f"Logs searched for secrets: {len(tiers)} of tiers, {servers} of servers; {len(found)} lines found.")
    passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
    skipped = sum(len(r.skipped) for r in results)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    forbidden = skipped if os.environ.get("CI") == "true" else 0
    return 1 if failed or wrong or found or forbidden else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
