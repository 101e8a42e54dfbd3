"""A command that the forkserver forks is what `python -m chat4all` is to whoever looks at it from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from tests.forking.processes import Forked, begin, finished
from tests.integration.commands import DEADLINE, command, eventually, surroundings

COMMANDS: Final[Mapping[str, tuple[Sequence[str], Mapping[str, str]]]] = {
    "done": (("--version",), {}),
    "much to say": (("--help",), {}),
    "refused": (("config", "zebra \u2028🎉"), {}),
    "refused as JSON": (("--json", "histroy"), {}),
    "no such option": (("history", "--colour"), {}),
    "bytes that are no text": (("send", "bruno", "\udcff"), {}),
    "settings of its own": (("config", "queue", "--json"), {"CHAT4ALL_GATEWAY__QUEUE": "77"}),
    "a wrong setting": (("simulator",), {"CHAT4ALL_SIMULATOR__PORT": "eighty"}),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("text", [True, False], ids=["text", "bytes"])
def test_it_says_the_same_and_ends_the_same(name: str, text: bool) -> None:
    arguments, variables = COMMANDS[name]
    real = subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=text,
        env=surroundings(**variables),
        timeout=DEADLINE,
        check=False,
    )
    forked = finished(command(*arguments), text=text, env=surroundings(**variables), timeout=DEADLINE)
    assert (forked.args, forked.returncode, forked.stdout, forked.stderr) == (
        real.args,
        real.returncode,
        real.stdout,
        real.stderr,
    )


def test_it_is_forked_unless_what_imports_read_is_another() -> None:
    for variables, is_forked in (({"CHAT4ALL_URL": "x"}, True), ({"PYTHONUTF8": "0"}, False), ({"LANG": "C"}, False)):
        with begin(command("--version"), stdout=subprocess.DEVNULL, env=surroundings(**variables)) as process:
            assert isinstance(process, Forked) is (is_forked and "COVERAGE_PROCESS_CONFIG" not in os.environ)
        assert process.returncode == 0


def about(process: subprocess.Popen[Any]) -> dict[str, object]:
    """What the kernel knows of a process."""
    there = Path(f"/proc/{process.pid}")
    status = dict(line.split(":\t", 1) for line in (there / "status").read_text().splitlines())
    files = {file.name: file.readlink() for file in (there / "fd").iterdir()}
    return {
        "its folder": (there / "cwd").readlink(),
        "its session is its own": os.getsid(process.pid) == process.pid,
        "signals it ignores and catches": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
        "threads": status["Threads"],
        "umask": status["Umask"],
        "files": sorted(number if int(number) > 2 else f"{number} {files[number]}" for number in files),
    }


def are_alike(processes: list[subprocess.Popen[Any]]) -> bool:
    with contextlib.suppress(OSError):  # one has just closed a file that was looked at
        return all(about(one) == about(processes[0]) for one in processes)
    return False


@pytest.mark.parametrize("session", [True, False], ids=["a session of its own", "our session"])
def test_the_kernel_sees_the_same(tmp_path: Path, session: bool) -> None:
    """It holds no file of another's, though others run meanwhile."""
    found: list[subprocess.Popen[Any]] = []
    with (tmp_path / "output").open("wb") as output:
        for start in (subprocess.Popen, begin, begin):
            words = command("simulator", "--port", "0", "--data", tmp_path / str(len(found)))
            streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            found.append(start(words, start_new_session=session, **streams))
    try:
        eventually(lambda: (tmp_path / "output").read_text().count("getUpdates") == 3, "they serve")
        eventually(lambda: are_alike(found), "they are alike")
    finally:
        for process in found:
            process.terminate()
        assert [process.wait(DEADLINE) for process in found] == [0] * 3


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
def test_a_signal_that_ends_it_is_its_code(how: signal.Signals) -> None:
    """It waits for a password that does not come."""
    codes = []
    for start in (subprocess.Popen, begin):
        words = command("users", "add", "x", "--password-file", "-")
        with start(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.poll() is None
            process.send_signal(how)
            codes.append(process.wait(DEADLINE))
    assert codes == [-how, -how]


ORPHANS: Final = """
import json, subprocess, sys
from tests.forking.processes import COMMAND, begin
from pathlib import Path
words = [*COMMAND, "simulator", "--port", "0", "--json", "--data", sys.argv[1]]
process = begin(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
process.stdout.readline()
print(process.pid, Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_it_when_whoever_started_it_is_gone(tmp_path: Path, how: signal.Signals) -> None:
    words = [sys.executable, "-c", ORPHANS, str(tmp_path / "data")]
    forks = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=forks) as starter:
        assert starter.stdout is not None
        left = [Path(f"/proc/{pid}") for pid in starter.stdout.readline().decode().split()]
        assert all(one.exists() for one in left)
        starter.send_signal(how)
    eventually(lambda: not any(one.exists() for one in left), "forkserver and child have ended")
    assert len(left) == 2


def test_two_draw_other_numbers(tmp_path: Path) -> None:
    """Each has the random numbers of a process of its own, as for a bot's token."""
    tokens = []
    for number in range(2):
        data = tmp_path / str(number)
        words = command("simulator", "--port", "0", "--json", "--data", data)
        with begin(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            json.loads(process.stdout.readline())
            process.terminate()
        tokens.append(json.loads((data / "log.jsonl").read_text().splitlines()[0])["run"])
    assert len(set(tokens)) == 2
