"""The node itself: a second one beside the first, killed without a word, leaves nothing on the machine."""

import contextlib
import os
import signal
from pathlib import Path

import psutil
from hack.node.node import Node
from tests.e2e.cluster import run, until


def processes(folder: Path) -> list[psutil.Process]:
    """What runs with the folder in its command."""
    found = []
    for one in psutil.process_iter():
        try:
            if any(str(folder) in part for part in one.cmdline()) and one.pid != os.getpid():
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def traces(folder: Path) -> dict[str, object]:
    """What a machine has that a node could leave behind. This test's own network is that of another node."""
    groups = {
        one.parent.name for one in Path("/sys/fs/cgroup").glob("**/cgroup.procs") if "chat4all-" in one.parent.name
    }
    return {
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line],
        "links": sorted(line.split(":")[1] for line in run("ip", "-o", "link").splitlines() if "veth" not in line),
        "namespaces": sorted(one.name for one in Path("/run/netns").glob("*")),
        "groups": sorted(groups),
        "var": sorted(one.name for one in Path("/var/lib").iterdir()),
    }


def test_a_node_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    before = traces(folder)
    node = Node(folder)
    node.start()
    node.wait()
    assert node.kubectl("get", "nodes", "-o", "name").strip() == "node/node1"
    assert traces(folder)["groups"] != before["groups"]
    for one in processes(folder):
        with contextlib.suppress(psutil.NoSuchProcess):  # the kernel has been quicker
            one.send_signal(signal.SIGKILL)
    until("every process is gone", lambda: not processes(folder))
    node.stop()
    assert traces(folder) == before
    assert not folder.exists()
