"""A control plane on loopback: etcd, kube-apiserver and kube-controller-manager, without a node and without root.

Whatever is written to it stays as it was written, but for what controllers do: Deployments get pods, which nobody ever
runs; a test writes their status. A pod that has a nodeName is deleted with --grace-period=0, since no kubelet does it.

start() also starts `python -m hack.node.control_plane FOLDER`, which stops the one in this folder when its standard
input ends: nothing runs on when whoever has the control plane is killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from hack.node import certificates, commands, components, programs
from hack.node.engines import ApiServer, ControllerManager, Etcd, Process

from chat4all_devtools import cache

_ROOT: Final = Path(__file__).resolve().parents[2]
_USERS: Final = ("admin", "controller-manager")
_IDENTITIES: Final = [one for one in components.IDENTITIES if one.file in {"apiserver", "front", *_USERS}]
_TIMEOUT: Final = 600.0  # seconds that one kubectl may take: `kubectl wait` has its own


class KubectlError(Exception):
    """A call of kubectl has failed. The message is what it said."""


class ControlPlane:
    """Everything that it is and has is in `folder`; there may be any number of them side by side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        library = cache.folder("node")
        etcd = Etcd(self.folder, library)
        api_server = ApiServer(self.folder, library, etcd)
        self._processes: dict[str, Process] = {
            one.name: one for one in (etcd, api_server, ControllerManager(self.folder, library))
        }
        self._guard: subprocess.Popen[bytes] | None = None

    # -- where it is

    @property
    def kubeconfig(self) -> Path:
        """What kubectl and clients need to be its administrator."""
        return self.folder / "admin.conf"

    @property
    def server(self) -> str:
        """Return the URL at which kube-apiserver listens on loopback, as https://127.0.0.1:PORT."""
        return f"https://{self['apiserver'].address}"

    @property
    def ca(self) -> Path:
        """The certificate of the authority that has signed the server's."""
        return self.folder / "pki" / "ca.crt"

    @property
    def certificate(self) -> tuple[Path, Path]:
        """The administrator's certificate and its key."""
        return self.folder / "pki" / "admin.crt", self.folder / "pki" / "admin.key"

    # -- its life

    def install(self) -> None:
        """Have its programs. Raises StackError that says what is missing."""
        self["etcd"].install()
        programs.have_control_plane()

    def up(self) -> str:
        """Have its programs, start it, and wait until it answers: its version. Raises StackError."""
        self.install()
        self.start()
        return self["apiserver"].version()

    def start(self) -> None:
        """Start it on free ports, the first time, and wait until each process answers. Raises StackError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        certificates.make(self.folder / "pki", _IDENTITIES)
        for one in self._processes.values():
            one.choose_ports(free=True)
        for user in _USERS:
            commands.kubeconfig(self.folder / f"{user}.conf", self.server, self.folder / "pki", user)
        self._watch()
        for one in self._processes.values():
            one.start()
            one.wait()

    def stop(self) -> None:
        """End its processes at once, and see that they have ended; the folder stays, and start() goes on with it."""
        for one in reversed(self._processes.values()):
            one.kill()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to `etcd`, `apiserver` or `controller-manager`: SIGSTOP freezes it, SIGCONT thaws it."""
        self[name].signal(number)

    def restart(self, name: str) -> None:
        """Kill one of the three, where it runs, start it again where it was, and wait until it answers."""
        self[name].kill()
        self[name].start()
        self[name].wait()

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as its administrator: what it printed. `given`: on its standard input. Raises KubectlError."""
        done = subprocess.run(
            [str(programs.program("kubectl")), f"--cache-dir={self.folder}/kubectl", *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT,
        )  # fmt: skip
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)[:300]} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def _watch(self) -> None:
        """Have a process that stops the others when this one has ended, however that came."""
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self.folder)],
                cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip


def main(folder: Path) -> None:
    """Wait until standard input ends, whatever this process is told meanwhile, and stop what runs in the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    ControlPlane(folder).stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
