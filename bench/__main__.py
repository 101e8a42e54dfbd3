"""`python -m bench`: measure, keep the figures in build/bench/, and write docs/performance.md."""

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop
from rich.console import Console

from bench import (
    accepts,
    delivery,
    fanout,
    inbound,
    machine,
    memory,
    operator_scale,
    outbound,
    page,
    process,
    resume,
    simulator,
)
from bench.measurement import FaultError, Measurement, Occasion, Run
from bench.stack import delivery as stack_delivery
from bench.stack import throughput as stack_throughput

ROOT: Final = Path(__file__).resolve().parent.parent
KEPT: Final = ROOT / "build" / "bench"
PAGE: Final = ROOT / "docs" / "performance.md"
MEASUREMENTS: Final = {
    one.name: one
    for one in (
        accepts.MEASUREMENT,
        delivery.MEASUREMENT,
        fanout.MEASUREMENT,
        resume.MEASUREMENT,
        simulator.MEASUREMENT,
        outbound.MEASUREMENT,
        inbound.MEASUREMENT,
        memory.MEASUREMENT,
        stack_throughput.MEASUREMENT,
        stack_delivery.MEASUREMENT,
        operator_scale.MEASUREMENT,
    )
}
_FILES: Final = 3_500  # of one process
_SATURATED: Final = 0.9  # of its core: the load client may have held the server back
_APART: Final = (
    "memory",
    "stack-throughput",
    "stack-delivery",
    "operator-scale",
)  # half an hour; on engines of their own
_EXAMPLE: Final = """\
example:
  python -m bench fanout --runs 1        one measurement, once
  python -m bench accepts --quick        to try it: fewer of everything; the page stays as it is
  nohup python -m bench memory &         half an hour
CHAT4ALL_... in the environment reaches the server under test; the page then names what was set.
"""


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Chat4All beside floors and write docs/performance.md.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", choices=[*MEASUREMENTS, []], help=f"of {', '.join(MEASUREMENTS)}"
    )
    parser.add_argument(
        "--all", action="store_true", help=f"every one; without names, {', '.join(_APART)} are left out"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each (3)")
    parser.add_argument("--quick", action="store_true", help="a fraction of each; kept apart, in build/bench/quick/")
    asked = parser.parse_args(given)
    if not 1 <= asked.runs <= 20:
        parser.error("--runs: 1 to 20")
    if not asked.names:
        asked.names = [name for name in MEASUREMENTS if asked.all or name not in _APART]
    return asked


async def measure(measurement: Measurement, asked: argparse.Namespace, console: Console) -> list[Run]:
    """All its runs, one after the other or together."""

    async def once(number: int) -> Run:
        say = _teller(console, f"{measurement.name} {number}/{asked.runs}")
        with _folder(say) as folder:
            return await measurement.measure(Occasion(folder, machine.cores(), asked.quick, say))

    if measurement.together:
        return await asyncio.gather(*(once(number + 1) for number in range(asked.runs)))
    process.pin(machine.cores().load)
    return [await once(number + 1) for number in range(asked.runs)]


@contextlib.contextmanager
def _folder(say: Callable[[str], None]) -> Iterator[Path]:
    """A folder for as long as a run takes. After a fault, what the processes printed last is told."""
    (KEPT / "runs").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT / "runs") as name:
        try:
            yield Path(name)
        except BaseException:  # also when a fault elsewhere has cancelled it
            for log in sorted(Path(name).glob("*.log")):
                say(f"{log.name}: {log.read_text(errors='replace')[-2000:]}")
            raise


def _teller(console: Console, prefix: str) -> Callable[[str], None]:
    return lambda text: console.log(prefix, text, markup=False)


async def watched(work: Coroutine[Any, Any, None]) -> None:
    """What goes wrong in a connection ends the work, loudly; so does SIGTERM, and what was started is stopped, which
    a second SIGTERM does not break off."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    faults: list[BaseException] = []

    def note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        faults.append(context.get("exception") or FaultError(context["message"]))
        task.cancel()

    loop.set_exception_handler(note)
    loop.add_signal_handler(signal.SIGTERM, lambda: task.cancelling() or task.cancel())
    try:
        await task
    except asyncio.CancelledError:
        if faults:
            raise faults[0] from None
        raise


async def run(asked: argparse.Namespace, console: Console) -> None:
    """Measure what is asked for."""
    folder = KEPT / "quick" if asked.quick else KEPT
    written = folder / "performance.md" if asked.quick else PAGE
    for name in asked.names:
        measurement = MEASUREMENTS[name]
        commit = machine.commit(ROOT)
        others = machine.Others()
        runs = await measure(measurement, asked, console)
        record = page.Record(
            name=name,
            date=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            commit=commit,
            machine=machine.describe(),
            settings=sorted(one for one in os.environ if one.startswith("CHAT4ALL_")),
            quick=asked.quick,
            others=round(others.cores(), 2),
            runs=runs,
        )
        page.keep(folder, record)
        page.write(written, folder, list(MEASUREMENTS.values()))
        console.print(page.table(measurement, record))
        _warn(record, console)
    console.print(f"Kept in {folder.relative_to(ROOT)}; written to {written.relative_to(ROOT)}")


def _warn(record: page.Record, console: Console) -> None:
    """What takes from a figure's worth."""
    if record.others > page.NOISE:
        console.print(f"[yellow]Other processes used {record.others:.1f} cores meanwhile.[/yellow]")
    for number, run in enumerate(record.runs, 1):
        for whose, figures in run.items():
            if (share := figures.get("load_share", 0)) > _SATURATED:
                console.print(f"[yellow]Run {number}, {whose}: the load client used {share:.0%} of its core.[/yellow]")


def main() -> int:
    """The command."""
    asked = arguments(sys.argv[1:])
    console = Console(log_path=False, width=None if sys.stdout.isatty() else 160)
    try:
        machine.allow_files(_FILES)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(watched(run(asked, console)))
    except (FaultError, machine.TooFewFilesError) as error:
        console.print(f"[red]{type(error).__name__}[/red]: {error}", highlight=False)
        return 1
    except asyncio.CancelledError:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
