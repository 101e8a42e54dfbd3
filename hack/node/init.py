"""The first process of the node, in namespaces of its own: `python -m hack.node.init FOLDER`.

It is process 1 of a PID namespace, and the network and the mounts are of namespaces that nobody else is in. When it
ends, however that comes, the kernel ends every process of the node and takes its mounts, links, routes and rules with
it. node.py starts it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from hack.node import components, images, programs
from hack.node.commands import SERVICES
from hack.node.components import ADDRESS, Component

_LOOK_SECONDS: Final = 0.2
_START_SECONDS: Final = 300.0  # for faults: a machine may be ten times slower than usual
_SYSCTL: Final = Path("/proc/sys")
_MACHINE_WIDE: Final = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
_BRIDGE: Final = "node0"


def main(folder: Path) -> None:
    """Start everything, then collect what ends, until this process is ended."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.environ |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "KUBECONFIG": f"{folder}/admin.conf"}
    _mounts(folder)
    _network()
    _start(folder, components.control_plane(folder))
    _until("API server", ["kubectl", "get", "--raw", "/readyz"])
    _until("containerd", ["ctr", "--address", f"{folder}/containerd.sock", "version"])
    images.load(folder, images.pause())
    _call(["kubectl", "apply", "-f", f"{programs.HERE}/manifests/services.yaml"])
    _call(["kubectl", "apply", "--server-side", *(f"--filename={file}" for file in programs.definitions())])
    _call(components.envoy_bootstrap(folder))
    _start(folder, components.services(folder))
    while True:
        _collect(folder, *os.wait())


def _mounts(folder: Path) -> None:
    """/run and /var are the node's own: whatever is written there is gone with it, and nobody else sees it."""
    for name in ("upper", "work"):
        (folder / "var" / name).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir=/var,upperdir={folder}/var/upper,workdir={folder}/var/work"
    _call(["mount", "-t", "overlay", "-o", layers, "node-var", "/var"])
    _call(["mount", "-t", "tmpfs", "node-run", "/run"])
    for name in _MACHINE_WIDE:  # kubelet sets them, and they are the whole machine's: it writes into these instead
        stand_in = folder / "sysctl" / name
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text((_SYSCTL / name).read_text())
        _call(["mount", "--bind", str(stand_in), str(_SYSCTL / name)])


def _network() -> None:
    """The node's address, and no way out of the namespace: a Service without rules yet must not leave the machine."""
    for command in (
        ["link", "set", "lo", "up"],
        ["link", "add", _BRIDGE, "type", "bridge"],
        ["address", "add", f"{ADDRESS}/32", "dev", _BRIDGE],
        ["link", "set", _BRIDGE, "up"],
        ["route", "add", SERVICES, "dev", _BRIDGE],
    ):
        _call(["ip", *command])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


_running: dict[int, str] = {}  # components by process id


def _start(folder: Path, wanted: Iterable[Component]) -> None:
    for one in wanted:
        with (folder / f"{one.name}.log").open("ab") as log:
            process = subprocess.Popen(one.command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _running[process.pid] = one.name


def _collect(folder: Path, pid: int, status: int) -> None:
    """Without one of its components there is no node. Others that end are processes of pods whose parent has gone."""
    if name := _running.get(pid):
        log = folder / f"{name}.log"
        end = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        sys.exit(f"{name} has ended with {os.waitstatus_to_exitcode(status)}; the end of {log}:\n{end}")


def _until(what: str, command: Sequence[str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (done := _run(command)).returncode:
        if time.monotonic() > deadline:
            sys.exit(f"The {what} does not answer: {done.stderr.strip()}")
        time.sleep(_LOOK_SECONDS)  # between looks, until the deadline


def _call(command: Sequence[str]) -> None:
    done = _run(command)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
