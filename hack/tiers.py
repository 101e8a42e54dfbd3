"""Run test tiers and say what ran, for how long, and what was skipped and why.

`python hack/tiers.py all` runs every tier, in lanes side by side, and holds branch coverage and the logs against their
bounds; `python hack/tiers.py unit contract` runs just those, one after the other, and without real engines, unless
STACK says where some run. In CI (CI=true) a skipped test is a failure.
"""

import argparse
import concurrent.futures
import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hack.node import images, programs
from hack.node.node import Node
from hack.suite import leaks, load, measured, scratch, tier
from hack.suite.tier import BUILD, Result, Tier, Way

from chat4all_devtools import termination
from chat4all_devtools.stack.engine import StackError
from chat4all_devtools.stack.stack import ENGINES, Stack

TIERS: Final = {
    one.name: one
    for one in (
        Tier("unit", "pure rules, tables of cases, the spine under faults", 150),
        Tier("contract", "one suite per port, over every twin: embedded, and the real engines", 550),
        Tier("integration", "the whole system over real HTTP and WebSockets, and the command line", 1250),
        Tier("distributed", "a process per role on real engines, each of which is killed and stopped", 460),
        Tier("operator", "resources on a real API server, and what becomes of them", 900),
        Tier("browser", "the console in Chromium: two people, kills, 10,000 messages, scripts, axe", 760),
        Tier("chaos", "a server killed again and again under load", 300),
        Tier("e2e", "the chart on a real Kubernetes node: installed, moved, killed, scaled, removed", 950),
    )
}
# Each lane's tiers run one after the other; by measurement, these end at about the same time. Real engines are for one
# lane alone, and start while others already test.
LANES: Final = (("integration",), ("contract", "distributed"), ("browser", "chaos", "unit"), ("operator",))
NEEDS_ENGINES: Final = "distributed"  # nothing is left of it without them
NEEDS_KUBERNETES: Final = "operator"  # its programs, which are built before its time begins
ALONE: Final = "e2e"  # its pods need both cores; where CI or E2E asks for it
QUICK: Final = {"SPINE_LIVES": "15"}  # random lives of the spine in the inner loop
LONG: Final = ["--deselect", "tests/unit/spine/test_sabotage.py::test_random_lives_catch"]  # not in the inner loop


class Suite:
    """A run of tiers. `whole`: all of each; else what belongs to the inner loop. `everywhere`: coverage of all."""

    def __init__(self, folder: Path, *, whole: bool, everywhere: bool) -> None:
        self._folder = folder
        self._whole = whole
        self._everywhere = everywhere
        self._running: list[tier.Running] = []
        self._ended = False
        self._node: Node | None = None
        self.stack = Stack(folder / "stack")
        self.versions: dict[str, str] = {}  # of the real engines
        self.waited = 0.0  # seconds for them

    def lane(self, names: Sequence[str]) -> list[Result]:
        """Run these one after the other, with real engines where they are needed, and print each whole at its end."""
        with contextlib.ExitStack() as stack:
            if "STACK" not in os.environ and ((self._whole and "contract" in names) or NEEDS_ENGINES in names):
                stack.enter_context(self._engines())
            return [self._run(TIERS[name]) for name in names if not self._ended]

    def on_node(self) -> list[Result]:
        """Run the tier that has a Kubernetes node of its own, or that of NODE, and a fresh image on it."""
        began = time.monotonic()
        say("a Kubernetes node: building if need be, starting")
        given = os.environ.get("NODE")
        node = Node(Path(given).resolve() if given else self._folder / "node")
        try:
            if not given:
                node.install()
                node.start()
                node.wait()
            images.load(node.folder, images.build("dev"))
            for engine in self.stack.engines:  # from the node's own network nothing can be fetched
                engine.install()
            say(f"Kubernetes {programs.KUBERNETES} and the image; {time.monotonic() - began:.0f} s")
            self._node = node
            return [self._run(TIERS[ALONE])]
        except SystemExit:  # this process is told to end: first the tests do, which have engines of their own
            self.end()
            for process in self._running:
                process.wait()
            raise
        except StackError as error:
            say(f"No Kubernetes node: {error}")
            return [Result(TIERS[ALONE], 0, [f"no node: {error}"], [], 0, 0, Counter())]
        finally:
            if not given:
                node.stop()

    def end(self) -> None:
        """End what runs, and begin nothing more: at SIGINT pytest ends what the tests have started."""
        self._ended = True
        for process in self._running:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)

    @contextlib.contextmanager
    def _engines(self) -> Iterator[None]:
        """Real engines of the tests' own, gone at the end."""
        began = time.monotonic()
        say("real engines: installing if need be, starting")
        logging.disable()  # clients say much about servers that are still starting
        try:
            self._start_engines(began)
            yield
        finally:
            self.stack.down()

    def _start_engines(self, began: float) -> None:
        try:
            self.versions = self.stack.up(free_ports=True)
        except StackError as error:
            say(f"No real engines: {error}")  # their tests then say so, instead of being left out
            return
        self.waited = time.monotonic() - began
        names = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        say(f"{names}; {self.waited:.0f} s")

    def _run(self, one: Tier) -> Result:
        if one.name == NEEDS_KUBERNETES:
            with contextlib.suppress(StackError):  # its tests then say so, instead of being left out
                programs.have_control_plane()
        say(f"{one.name} begins: {one.about}")
        result = tier.run(one, self._way(one), self._note)
        text = tier.output(one).read_text(errors="replace")
        say(f"{one.name} ended after {result.seconds:.0f} s\n{text}")
        return result

    def _note(self, process: tier.Running) -> None:
        self._running.append(process)
        if self._ended:  # a moment ago
            process.send_signal(signal.SIGINT)

    def _way(self, one: Tier) -> Way:
        engines = (self._whole and one.name != ALONE) or one.name == NEEDS_ENGINES
        node = self._node.environment() if self._node and one.name == ALONE else {}
        stack = {"STACK": str(self.stack.folder)} if engines and "STACK" not in os.environ else {}
        without = [] if stack or "STACK" in os.environ else ["-m", "not engine"]
        return Way(
            scratch=self._folder,
            measured=measured.options(one.name, everywhere=self._everywhere) if self._whole else (),
            options=without if self._whole else [*without, *LONG],
            environment={**stack, **({} if self._whole else QUICK), **node, "PYTHONDONTWRITEBYTECODE": ""},
            engines=list(ENGINES),
            entrance=self._node.entrance() if self._node and one.name == ALONE else (),
        )


def say(text: str) -> None:
    """Print a paragraph, whole: lanes print side by side."""
    sys.stdout.write(f"=== {time.strftime('%H:%M:%S')} {text.rstrip()}\n")
    sys.stdout.flush()


def side_by_side(suite: Suite, lanes: Sequence[Sequence[str]]) -> list[Result]:
    """Run lanes at the same time; their results in the order of the table of tiers."""
    with concurrent.futures.ThreadPoolExecutor(len(lanes) or 1) as threads:
        try:
            results = [result for one in threads.map(suite.lane, lanes) for result in one]
        except BaseException:  # this process is told to end
            suite.end()
            raise
    return sorted(results, key=lambda result: list(TIERS).index(result.tier.name))


def summary(results: Sequence[Result], suite: Suite, found: Sequence[str], searched: int) -> None:
    """Print what ran, how long that took beside its budget, what was skipped and why, and what leaked."""
    print("\nTier          passed  failed  skipped  seconds  budget     CPU")
    for result in results:
        print(result.line)
    for result in results:
        for reason in result.skipped:
            print(f"skipped in {result.tier.name}: {reason}")
        for test in result.failures:
            print(f"failed in {result.tier.name}: {test}")
    for leak in found[:20]:
        print(f"a secret in a log: {leak}")
    if suite.versions:
        print(f"Real engines: installed where they were not, and started, within {suite.waited:.0f} s")
    for engine, version in suite.versions.items():
        print(f"{engine} {version}: {sum(result.engines[engine] for result in results)} tests passed against it")
    print(f"Logs searched for secrets: {len(results)} of tiers, {searched} of servers; {len(found)} lines found.")


def kept(folder: Path) -> None:
    """Keep the logs of a run that failed in build/tests/logs: the folder that they are in goes away."""
    for log in (file for pattern in ("*.log", "stack/*/log", "control-plane*/*/log") for file in folder.rglob(pattern)):
        into = BUILD / "logs" / log.relative_to(folder)
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, into)
    print(f"The logs of servers and engines: {BUILD / 'logs'}")


def main(arguments: Sequence[str]) -> int:
    """Run the tiers named; `all` is every one."""
    given = parsed(arguments)
    whole = given.tiers == ["all"]
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    measured.forget()
    began = time.monotonic()
    with termination.orderly(), scratch.made() as folder, load.busy(given.load):
        suite = Suite(folder, whole=whole, everywhere=given.coverage)
        lanes = [[one for one in given.tiers if one != ALONE]] if not whole else LANES
        results = side_by_side(suite, [lane for lane in lanes if lane])
        if ALONE in given.tiers or (whole and wanted()):
            results += suite.on_node()
        enough = not whole or measured.is_enough(everywhere=given.coverage)
        servers = [file for file in folder.rglob("*.log") if not file.is_relative_to(folder / "stack")]
        found = leaks.found(list(BUILD.glob("*.log")), servers)
        summary(results, suite, found, len(servers))
        passed, failed = sum(r.passed for r in results), sum(r.failed for r in results)
        if failed or found:
            kept(folder)
    skipped = sum(len(r.skipped) for r in results)
    print(f"All in {time.monotonic() - began:.0f} s" + f", beside {given.load} busy loops" * bool(given.load))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    forbidden = skipped if os.environ.get("CI") == "true" else 0
    return 1 if failed or not enough or found or forbidden else 0


def wanted() -> bool:
    """Whether the tier with a Kubernetes node is part of the whole."""
    return os.environ.get("CI") == "true" or os.environ.get("E2E") == "1"


def parsed(arguments: Sequence[str]) -> Any:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="hack/tiers.py", description=__doc__)
    parser.add_argument("tiers", nargs="+", choices=["all", *TIERS], metavar="TIER", help=f"all, {', '.join(TIERS)}")
    parser.add_argument("--load", type=int, default=0, metavar="N", help="N busy loops beside them (0)")
    parser.add_argument("--coverage", action="store_true", help="of every tier and every process that it starts")
    given = parser.parse_args(arguments)
    if "all" in given.tiers and given.tiers != ["all"]:
        parser.error("'all' stands alone")
    if not 0 <= given.load <= 64:
        parser.error("--load: 0 to 64")
    return given


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
