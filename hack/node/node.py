"""A real Kubernetes node on this machine, in namespaces of its own, and the folder that it lives in."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import psutil
from hack.node import certificates, components, images, programs

from chat4all_devtools import cache
from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine, need

_ADVICE: Final = (
    "On Debian or Ubuntu: apt-get install containerd runc containernetworking-plugins iptables conntrack etcd-server "
    "buildah debootstrap"
)
_ENVOY_READY: Final = "http://127.0.0.1:8002/ready"  # of the ingress: it listens for requests once there is a route
_CGROUPS: Final = Path("/sys/fs/cgroup")


class Node(Engine):
    """The node is one process for whoever looks from outside: when that is killed, the kernel ends all the others.

    `folder`: all of its state, but the programs and images in the cache.
    """

    name = "node"
    title = f"Kubernetes {programs.KUBERNETES}"
    default_ports: ClassVar = {}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.parent, cache.folder("node"))
        self.folder = folder

    @property
    def kubeconfig(self) -> Path:
        """What kubectl needs to be its administrator, in its network."""
        return self.folder / "admin.conf"

    @property
    def programs(self) -> Path:
        """A folder with kubectl, helm and the node's other programs, for a PATH."""
        return self.folder / "bin"

    def install(self) -> None:
        for one in ("containerd", "runc", "iptables", "conntrack", "etcd", "buildah", "debootstrap", "ip", "unshare"):
            need(one, _ADVICE)
        programs.have()
        images.have()

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        certificates.make(self.folder / "pki", components.IDENTITIES)
        for controller in _controllers():
            (controller / self._cgroup).mkdir(exist_ok=True)
        programs.link(self.programs)
        components.configure(self.folder, f"/{self._cgroup}")

    def command(self) -> Sequence[str]:
        own = ["unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--net"]
        return ["env", f"PYTHONPATH={images.ROOT}", *own, sys.executable, "-m", "hack.node.init", str(self.folder)]

    def version(self) -> str:
        """Ask whether the node is ready for pods, and its ingress for routes. Raises CalledProcessError."""
        ready = ["wait", "--for=condition=Ready", f"node/{components.NODE}", "--timeout=0"]
        self.kubectl(*ready)
        self.inside("python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])", _ENVOY_READY)
        return programs.KUBERNETES

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the node's network. Raises CalledProcessError."""
        return subprocess.run(
            [*self.entrance(), *command], env=self.environment(), capture_output=True, text=True, check=True,
            timeout=LOOK_SECONDS,
        )  # fmt: skip

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as the node's administrator, and return what it printed. Raises CalledProcessError."""
        return self.inside("kubectl", *arguments).stdout

    def entrance(self) -> list[str]:
        """What stands before a command that is to run in the node's network."""
        return ["nsenter", f"--net=/proc/{self._first}/ns/net"]

    def environment(self) -> dict[str, str]:
        """An environment in which kubectl and helm are found and talk to the node."""
        return {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig)}

    def stop(self) -> None:
        """End it at once: the kernel takes every process, mount, link and rule with it; then its groups and folder."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for one in [*psutil.Process(pid).children(), psutil.Process(pid)]:
                    one.kill()
        while self.alive:
            time.sleep(0.05)  # between looks: the kernel ends what it was told to end
        self._forget_groups()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget_groups(self) -> None:
        for controller in _controllers():
            groups = sorted((controller / self._cgroup).rglob("*/"), key=lambda one: -len(one.parts))
            for group in [*groups, controller / self._cgroup]:
                _remove(group)

    @property
    def _first(self) -> int:
        """Process 1 of its namespace, as it is numbered outside."""
        pid = self.pid
        [first] = psutil.Process(pid).children() if pid is not None else [None]
        if first is None:
            raise ProcessLookupError(f"There is no node in {self.folder}: make node-up")
        return int(first.pid)

    @property
    def _cgroup(self) -> str:
        return f"chat4all-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]}"


def _controllers() -> list[Path]:
    """The hierarchies of control groups: one, or one per controller."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [one for one in _CGROUPS.iterdir() if one.is_dir() and (one / "cgroup.procs").exists()]


def _remove(group: Path) -> None:
    """Remove an empty group; its last process may be about to end."""
    for _ in range(200):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)  # between tries
        else:
            return
