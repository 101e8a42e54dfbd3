"""The machine that is measured on, and the two cores that are used of it."""

import dataclasses
import os
import platform
import resource
import subprocess
import time
from pathlib import Path


class TooFewFilesError(Exception):
    """The limit of open files does not allow as many sockets as a measurement needs."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cores:
    """Core numbers: the server under test, or a floor, has one to itself; the load client has the other."""

    server: int
    load: int


def cores() -> Cores:
    """The first and the last core that this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[0], usable[-1])


def describe() -> dict[str, str]:
    """The machine in words, without its name."""
    return {
        "processor": f"{os.cpu_count()} cores of {_named('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_named('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def commit(root: Path) -> str:
    """The commit that is checked out, and whether the sources differ from it."""
    changed = _git(root, "status", "--porcelain", "src", "bench")
    return _git(root, "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def allow_files(needed: int) -> None:
    """Raise the limit of open files, for this process and those it starts. Raises TooFewFilesError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TooFewFilesError(
            f"{needed} open files are needed and the hard limit is {hard}: raise it (ulimit -Hn, or LimitNOFILE), "
            "or name only the measurements that need fewer."
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class Others:
    """How much the rest of the machine does, while something of ours runs."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _foreign_seconds()

    def cores(self) -> float:
        """Cores that processes used which are neither this one nor ended children of it, since it was made."""
        return max((_foreign_seconds() - self._before) / (time.monotonic() - self._began), 0.0)


def _foreign_seconds() -> float:
    """Interrupts are left out: they come from our own traffic too."""
    user, nice, system = (int(one) for one in Path("/proc/stat").read_text(encoding="ascii").split()[1:4])
    ours = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - ours


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - arguments of ours
        ["git", "-C", str(root), *arguments],  # noqa: S607 - the reader's own git
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _named(file: str, name: str) -> str:
    for line in Path(file).read_text(encoding="ascii", errors="replace").splitlines():
        found, _, value = line.partition(":")
        if found.strip() == name:
            return value.strip()
    return "unknown"
