"""docs/performance.md and build/bench/: figures are kept as JSON, and a part of the page is made of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from bench.figures import spread
from bench.measurement import OURS, FaultError, Measurement, Row, Run

_BEGIN: Final = "<!-- figures: begin -->"
_END: Final = "<!-- figures: end -->"
_SKELETON: Final = f"""\
# Performance

What it does on a small machine. Each figure stands beside a floor: the least that a program could do for the same,
measured in the same run. What a figure means is the ratio; the rest depends on the machine.

{_BEGIN}
{_END}
"""
_REPEAT: Final = """\
`make bench` repeats all but memory, which takes half an hour (`python -m bench memory`), and what is measured on
real engines (`make bench-stack`). Each figure is the median of
its runs, with the least and the most. The ratio is ours by the floor's, of each run, and of these the median. The
server has one core to itself and the load client another, all on loopback; what is written is synced to disk before it
is accepted. Every measurement checks what it measured: a post that is not accepted, or a message that is missing, twice
or out of order ends it without a figure."""
NOISE: Final = 0.1  # cores; more is told
HEADINGS: Final = ("", "better", "ours", "floor", "the floor's", "ours / floor")


class Record(msgspec.Struct, frozen=True):
    """One file of build/bench/: all runs of a measurement, with every figure. `settings`: names set by the user.

    `others`: cores that other processes used meanwhile.
    """

    name: str
    date: str
    commit: str
    machine: dict[str, str]
    settings: list[str]
    quick: bool
    others: float
    runs: list[Run]


def keep(folder: Path, record: Record) -> None:
    """Write a record to the folder, in the place of an older one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{record.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")


def kept(folder: Path, name: str) -> Record | None:
    """What was kept of this measurement, if anything. Raises FaultError where another harness wrote it."""
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except msgspec.DecodeError as error:
        raise FaultError(f"{file.name} is of another time: delete it and measure {name} again. {error}") from error


def write(page: Path, folder: Path, measurements: Sequence[Measurement]) -> None:
    """Put what is kept on the page; what is written outside of the marks stays."""
    records = [(one, record) for one in measurements if (record := kept(folder, one.name)) is not None]
    text = page.read_text(encoding="utf-8") if page.exists() else _SKELETON
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise FaultError(f"{page.name} has lost its marks {_BEGIN} and {_END}: put them where the figures belong.")
    machine = max((record for _, record in records), key=lambda record: record.date).machine
    sections = [_machine(machine), _REPEAT, *(_section(one, record, machine) for one, record in records)]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(before + "\n\n".join([_BEGIN, *sections, _END]) + after, encoding="utf-8")


def table(measurement: Measurement, record: Record) -> Table:
    """The figures for the terminal."""
    shown = Table(*HEADINGS, title=measurement.title)
    for line in _lines(measurement, record):
        shown.add_row(*line)
    return shown


def _machine(machine: dict[str, str]) -> str:
    return f"Measured on {machine['processor']}, {machine['memory']}, {machine['kernel']}, {machine['python']}."


def _section(measurement: Measurement, record: Record, machine: dict[str, str]) -> str:
    runs = "one run" if len(record.runs) == 1 else f"{len(record.runs)} runs"
    made = f"{record.date[:10]}, commit {record.commit}, {runs}."
    if record.machine != machine:
        made += f" {_machine(record.machine)}"
    if record.others > NOISE:
        made += f" Other processes used {record.others:.1f} cores meanwhile."
    if record.settings:
        made += f" With other settings than usual: {', '.join(record.settings)}."
    lines = ["| | " + " | ".join(HEADINGS[1:]) + " |", "|---" * len(HEADINGS) + "|"]
    lines += [f"| {' | '.join(line)} |" for line in _lines(measurement, record)]
    return f"## {measurement.title}\n\n{measurement.method}\n\n{made}\n\n" + "\n".join(lines)


def _lines(measurement: Measurement, record: Record) -> list[tuple[str, ...]]:
    return [_line(row, record.runs) for row in measurement.rows]


def _line(row: Row, runs: list[Run]) -> tuple[str, ...]:
    ours = [run[OURS][row.key] for run in runs]
    written = spread(ours).written(row.digits)
    if row.floor is None:
        return (row.what, row.better, written, "", "", "")
    floors = [run[row.floor][row.key] for run in runs]
    ratios = [mine / max(floor, 1e-9) for mine, floor in zip(ours, floors, strict=True)]
    ratio = spread(ratios).written(2) + (f", goal: {row.goal}" if row.goal else "")
    return (row.what, row.better, written, row.floor, spread(floors).written(row.digits), ratio)
