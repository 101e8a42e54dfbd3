"""The development loop: a role whose sources change starts again in the same process, as skaffold relies on."""

import os
import shutil
import sys
import time
from pathlib import Path

import chat4all
from chat4all_devtools.ports import free_port
from chat4all_devtools.process import Process

DEADLINE = 120.0
SOURCES = Path(chat4all.__file__).parents[1]


def test_a_changed_source_starts_the_role_again(tmp_path: Path) -> None:
    for name in ("chat4all", "chat4all_simulator"):
        shutil.copytree(SOURCES / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    marked = tmp_path / "chat4all" / "cli" / "run.py"
    original = marked.read_text()
    marked.write_text(f'{original}\nprint("the first life", flush=True)\n')
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "CHAT4ALL_RELOAD": "true",
        "CHAT4ALL_OPERATIONS__PORT": str(port),
        "CHAT4ALL_KAFKA__SERVERS": "127.0.0.1:1",
    }
    log = tmp_path / "log"
    process = Process([sys.executable, "-m", "chat4all", "run", "router"], log, environment)
    process.start()
    try:
        process.wait_until(lambda: "Waiting" in log.read_text(), seconds=DEADLINE)
        pid = process.pid
        time.sleep(0.01)  # a file system's clock may be coarse
        marked.write_text(f'{original}\nprint("the second life", flush=True)\n')
        process.wait_until(lambda: "the second life" in log.read_text(), seconds=DEADLINE)
        assert process.pid == pid
        assert "the first life" in log.read_text()
    finally:
        assert process.stop() in (0, -15)
