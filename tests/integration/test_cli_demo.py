"""`chat4all demo` that is told to end."""

import contextlib
import signal
from pathlib import Path

import pytest
from tests.integration.commands import eventually, going_on


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_told_to_end_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    its = tmp_path / "its"
    its.mkdir()

    def processes() -> list[str]:
        return [line for line in map(_command_line, Path("/proc").glob("[0-9]*")) if str(its) in line]

    with going_on(tmp_path / "output", "demo", TMPDIR=str(its)) as demo:
        demo.shows("✓")
        eventually(lambda: bool(processes()), "its server runs")
        assert demo.ends(how) == 128 + how
        assert "Traceback" not in demo.output
    assert processes() == []
    assert list(its.iterdir()) == []


def _command_line(process: Path) -> str:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        return (process / "cmdline").read_text(errors="replace")
    return ""
