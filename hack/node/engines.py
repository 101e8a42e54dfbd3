"""The three processes of a control plane on loopback, each as an engine whose folder is in the control plane's."""

import abc
import signal
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import httpx
from hack.node import commands
from hack.node.programs import KUBERNETES

from chat4all_devtools.stack.engine import LOOK_SECONDS, LOOPBACK, Engine, StackError, need

_ADVICE: Final = "On Debian or Ubuntu: apt-get install etcd-server"
_LAST: Final = "garbage-collector-controller"  # all are named at once, when each has been started
_KILL_SECONDS: Final = 60.0  # for faults: the kernel ends what is killed in moments


class Process(Engine):
    """One that may be killed at any time: what it keeps is either written or not wanted any more."""

    @property
    def pki(self) -> Path:
        """Where the control plane's certificates are."""
        return self.folder.parent / "pki"

    def install(self) -> None:
        """Do nothing: the control plane has its programs built."""

    def prepare(self) -> None:
        """Do nothing: its command says everything."""

    def kill(self) -> None:
        """End it at once, and see that it has ended. Raises StackError where it does not."""
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + _KILL_SECONDS
        while self.alive:
            if time.monotonic() > deadline:
                raise StackError(f"{self.title} has been killed and does not end: look for process {self.pid}.")
            time.sleep(0.02)  # between looks, until the deadline
        (self.folder / "pid").unlink(missing_ok=True)

    @abc.abstractmethod
    def _context(self) -> ssl.SSLContext | bool:
        """Return how TLS is verified when this process is asked for its health; True where it is asked over HTTP."""

    def _asked(self, url: str) -> httpx.Response:
        answer = httpx.get(url, verify=self._context(), timeout=LOOK_SECONDS, trust_env=False)
        return answer.raise_for_status()


class Etcd(Process):
    """The store of the API server, which alone speaks to it."""

    name = "etcd"
    title = "etcd"
    default_ports: ClassVar = {"main": 2379}

    @property
    def url(self) -> str:
        """Where the API server finds it."""
        return f"http://{self.address}"

    def install(self) -> None:
        need("etcd", _ADVICE)

    def command(self) -> Sequence[str]:
        return commands.etcd(self.folder / "data", self.url, f"http://{LOOPBACK}:0")  # alone, it has no peers

    def version(self) -> str:
        if self._asked(f"{self.url}/health").json()["health"] != "true":
            raise StackError("etcd is not healthy yet")
        return str(self._asked(f"{self.url}/version").json()["etcdserver"])

    def _context(self) -> bool:
        return True


class ApiServer(Process):
    """The API, for those who come over TLS with a certificate or a token.

    Where the control plane's folder has an audit policy, audit.yaml, what it asks for is written down.
    https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
    """

    name = "apiserver"
    title = "kube-apiserver"
    default_ports: ClassVar = {"main": 6443}

    def __init__(self, folder: Path, library: Path, etcd: Etcd) -> None:
        super().__init__(folder, library)
        self._etcd = etcd

    def command(self) -> Sequence[str]:
        # The Service kubernetes gets no endpoints: it could not have one on loopback.
        alone = [f"--bind-address={LOOPBACK}", "--endpoint-reconciler-type=none"]
        return [*commands.api_server(self.pki, self._etcd.url, LOOPBACK, self.port()), *alone, *self._audit()]

    def _audit(self) -> Sequence[str]:
        policy = self.folder.parent / "audit.yaml"
        log = self.folder / "audit.jsonl"
        return [f"--audit-policy-file={policy}", f"--audit-log-path={log}"] if policy.exists() else []

    def version(self) -> str:
        self._asked(f"https://{self.address}/readyz")
        return str(self._asked(f"https://{self.address}/version").json()["gitVersion"]).removeprefix("v")

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.pki / "ca.crt")
        context.load_cert_chain(self.pki / "admin.crt", self.pki / "admin.key")
        return context


class ControllerManager(Process):
    """What makes ReplicaSets and pods, counts them, collects what has lost its owner, and empties namespaces."""

    name = "controller-manager"
    title = "kube-controller-manager"
    default_ports: ClassVar = {"main": 10257}

    def command(self) -> Sequence[str]:
        # Without a limit of its own calls, so that a test with fifty connectors waits for nothing but the work. Pods
        # are not collected because of a node that is not there: none is.
        own = [f"--bind-address={LOOPBACK}", f"--secure-port={self.port()}", "--kube-api-qps=1000"]
        own += ["--kube-api-burst=1000", "--controllers=*,-pod-garbage-collector-controller"]
        config = self.folder.parent / f"{self.name}.conf"
        return [*commands.controller_manager(self.pki, config), *own]

    def version(self) -> str:
        """Ask whether all its controllers have been started: until then it ends when the API server does not answer."""
        if _LAST not in self._asked(f"https://{self.address}/healthz?verbose").text:
            raise StackError("not all controllers have been started yet")
        return KUBERNETES

    def _context(self) -> ssl.SSLContext:
        """Its certificate is one that it has made for itself."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
