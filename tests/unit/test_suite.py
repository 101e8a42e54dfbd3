"""What runs the tests has to be right as well: a search that finds nothing proves nothing."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hack.suite import leaks, load, scratch, tier
from hack.suite.tier import Result, Tier

from chat4all_devtools import cache

SECRETS = [
    "Authorization: Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl",
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    "the password is long-enough",
    "postgresql://chat4all?password=hunter2",
    "POST /bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe",
    "X-Telegram-Bot-Api-Secret-Token: secret_of_this",
]
HARMLESS = ["password=demo", "GET /readyz 200", "eyJ is how a JWT begins", "12:30:45 started"]


@pytest.mark.parametrize("line", SECRETS)
def test_a_secret_in_a_log_is_found_and_not_told(tmp_path: Path, line: str) -> None:
    (tmp_path / "server.txt").write_text(f"before\n{line}\nafter\n")
    (tmp_path / "unit.txt").write_text(f"httpx INFO {line}\nchat4all.api INFO {line}\n")
    found = leaks.found([tmp_path / "unit.txt"], [tmp_path / "server.txt"])
    assert len(found) == 2, "in a server's log, and in ours of a tier's; what a library wrote there is not ours"
    assert all("[a secret]" in one for one in found)
    assert not any(line in one for one in found)


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_harmless_is_not(tmp_path: Path, line: str) -> None:
    (tmp_path / "server.txt").write_text(line)
    assert leaks.found([], [tmp_path / "server.txt"]) == []


def test_busy_loops_are_in_sessions_of_their_own_and_end() -> None:
    with load.busy(2):
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        loops = [int(pid) for pid in children if os.getsid(int(pid)) == int(pid)]
        assert len(loops) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in loops)


def test_what_a_run_writes_is_gone_at_its_end_and_what_a_killed_one_left_with_the_next() -> None:
    program = (
        "import sys; from hack.suite import scratch\nwith scratch.made() as f: print(f, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True, cwd=tier.ROOT) as other:
        assert other.stdout is not None
        left = Path(other.stdout.readline().strip())
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.communicate()
    assert left.exists()
    with scratch.made() as folder:
        assert os.environ["TMPDIR"] == str(folder)
        assert left.parent != folder.parent or not left.exists()
    assert not folder.exists()


@pytest.mark.parametrize(("seconds", "said"), [(60.0, False), (61.0, True)])
def test_a_tier_over_its_budget_says_so(seconds: float, said: bool) -> None:
    result = Result(Tier("unit", "", 60), 1, [], [], seconds, 1.0, Counter())
    assert ("over its budget" in result.line) is said


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT4ALL_CACHE", str(tmp_path / "own"))
    assert cache.folder("engines") == tmp_path / "own" / "engines"
    monkeypatch.delenv("CHAT4ALL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert cache.folder() == tmp_path / "user" / "chat4all"


def collected(**environment: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests/e2e/test_deletion.py"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROOF", "COV_"))}
    done = subprocess.run(
        command, env={**kept, **environment}, capture_output=True, text=True, check=True, cwd=tier.ROOT
    )
    left = [line for line in done.stdout.splitlines() if line.startswith("left out")]
    found = [line for line in done.stdout.splitlines() if "test_each_order_ends[" in line and line not in left]
    assert len(left) == (0 if environment.get("PROOF") else 5)
    return found


def test_where_it_is_short_chance_chooses_and_names_what_is_left_out() -> None:
    assert len(collected(PROOF="long")) == 7
    first, again, other = collected(), collected(), collected(PROOF_SEED="3")
    assert len(first) == 2
    assert first == again != other
