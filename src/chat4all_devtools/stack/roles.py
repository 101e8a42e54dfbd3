"""The roles as processes on a stack: two APIs, two gateways, two routers, a connector, behind HAProxy.

Each has ports of its own; HAProxy has the public one and sends paths where an Ingress would.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chat4all.client import AnswerError
from chat4all_devtools.ports import free_port
from chat4all_devtools.process import Process
from chat4all_devtools.server import is_ready, posted
from chat4all_devtools.stack.engine import StackError, need
from chat4all_devtools.stack.stack import Stack

# Deadlines are for faults: a machine may be ten times slower than usual.
_START_SECONDS: Final = 600.0  # a process that has ended is not waited for
_STOP_SECONDS: Final = (
    300.0  # until one that was told to end is killed: it finishes what it is at, and engines may hang
)
# Commands wait for engines as long as may be set: where all start at once, the first answers take long.
_PATIENT_SETTINGS: Final = {
    "CHAT4ALL_KAFKA__REQUEST_SECONDS": "30",
    "CHAT4ALL_CASSANDRA__REQUEST_SECONDS": "30",
    "CHAT4ALL_DIRECTORY__CONNECT_SECONDS": "30",
    "CHAT4ALL_DIRECTORY__STATEMENT_SECONDS": "30",
    "CHAT4ALL_REDIS__REQUEST_SECONDS": "10",
}
_ROLES: Final = ("api", "api", "gateway", "gateway", "router", "router", "connector")
_HAPROXY: Final = """global
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout check 2s
  timeout client 75s
  timeout server 75s
  timeout tunnel 1h
  retries 3
  option redispatch
  default-server inter 200ms fastinter 100ms fall 2 rise 1
  option httpchk GET /readyz
frontend public
  bind 127.0.0.1:{port}
  use_backend gateways if {{ path /ws }}
  use_backend connectors if {{ path_beg /hooks/ }}
  default_backend apis
"""


class RoleProcess(NamedTuple):
    """One process: what it is, its port for its work, and its port for health."""

    name: str
    role: str
    port: int
    health: int


class Roles:
    """A running system. `port`: the public one; nought: any that is free. `roles`: a process for each. Not for two
    threads."""

    about: Final = "as seven processes on Kafka, Cassandra, PostgreSQL, Redis and MinIO, behind HAProxy"

    def __init__(self, stack: Stack, folder: Path, *, port: int = 0, roles: Sequence[str] = _ROLES) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._more: dict[str, str] = {}
        self._running: dict[str, Process] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = {**os.environ, **settings(stack), **_secrets(folder)}
        numbers: dict[str, int] = {}
        self.roles = []
        for role in roles:
            numbers[role] = numbers.get(role, 0) + 1
            self.roles.append(RoleProcess(f"{role}{numbers[role]}", role, free_port(), free_port()))
        self.internal = free_port()

    def set(self, **environment: str) -> None:
        """Settings from its next start on."""
        self._more |= environment

    def migrate(self) -> None:
        """Make what it needs on the engines. Raises StackError."""
        done = self.command("migrate")
        if done.returncode:
            raise StackError(f"chat4all migrate failed:\n{(done.stderr or done.stdout)[-2000:]}")

    def start(self) -> None:
        """Start what does not run, and wait until all of it is ready. Raises AnswerError."""
        for role in self.roles:
            self.begin(role)
        if not self._alive("haproxy"):
            haproxy = need("haproxy", "On Debian or Ubuntu: apt-get install haproxy")
            self._spawn("haproxy", [haproxy, "-f", self._proxy()])
        self.wait({role.name: role.health for role in self.roles} | {"haproxy": self.port})

    def wait(self, ports: Mapping[str, int]) -> None:
        """Wait until those that were begun are ready; where to ask, by name. Raises AnswerError."""
        deadline = time.monotonic() + _START_SECONDS
        while waiting := [name for name, port in ports.items() if not is_ready(port)]:
            gone = [name for name in waiting if not self._alive(name)]
            if gone or time.monotonic() > deadline:
                name = (gone or waiting)[0]
                raise AnswerError(f"{name} is not ready:\n{self.log(name).read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)  # between looks, until the deadline

    def begin(self, role: RoleProcess) -> None:
        """Start one process, if it does not run."""
        if self._alive(role.name):
            return
        own = {
            "CHAT4ALL_SERVER__PORT": str(role.port),
            "CHAT4ALL_GATEWAY__PORT": str(role.port),
            "CHAT4ALL_CHANNELS__PORT": str(role.port),
            "CHAT4ALL_CHANNELS__POD": role.name,
            "CHAT4ALL_INTERNAL__PORT": "0",
            "CHAT4ALL_OPERATIONS__PORT": str(role.health),
            "CHAT4ALL_OPERATIONS__SHARE": str(sum(one.role == role.role for one in self.roles)),
        }
        if role.name == "api1":
            own["CHAT4ALL_INTERNAL__PORT"] = str(self.internal)
        self._spawn(role.name, [sys.executable, "-m", "chat4all", "run", role.role], own, port=role.port)

    def supervise(self) -> None:
        """Start again what has ended, for ever."""
        while True:
            for role in self.roles:
                if not self._alive(role.name):
                    print(f"{role.name} has ended; it is started again. Its log: {self.log(role.name)}", flush=True)
                    self.begin(role)
            time.sleep(1)  # between looks: this is what it does until it is ended

    def log(self, name: str) -> Path:
        """The file that holds the output of a process."""
        return self._folder / f"{name}.log"

    def process(self, name: str) -> Process:
        """A process that was started, by its name."""
        return self._running[name]

    def kill(self) -> None:
        """SIGKILL, to all but HAProxy: they get no chance to finish anything."""
        started = [self._running[role.name] for role in self.roles if role.name in self._running]
        for process in started:
            process.send_signal(signal.SIGKILL)
        for process in started:
            process.kill()

    def stop(self) -> int:
        """SIGTERM to all; the first exit code of a role that is not nought."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        codes = {name: process.end(seconds=_STOP_SECONDS) for name, process in self._running.items()}
        self._running.clear()
        codes.pop("haproxy", None)  # it says by which signal it was ended
        return next((code for code in codes.values() if code), 0)

    def post_and_kill(self, token: str, body: object) -> str | None:
        """Post a message and kill everything the moment its 202 is here; the message's id, None without a 202."""
        return posted(self.port, token, body, then=self.kill)

    def _alive(self, name: str) -> bool:
        return name in self._running and self._running[name].alive

    def _spawn(self, name: str, command: list[str], more: Mapping[str, str] | None = None, *, port: int = 0) -> None:
        environment = {**self._environment, **self._more, **(more or {})}
        self._running[name] = Process(command, self.log(name), environment, port=port)
        self._running[name].start()

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of ours with the settings of this system, and perhaps others. It has time."""
        command = [sys.executable, "-m", "chat4all", *arguments]
        given = {**_PATIENT_SETTINGS, **self._environment, **self._more, **(environment or {})}
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False)

    def _proxy(self) -> str:
        lines = [_HAPROXY.format(port=self.port)]
        for backend, role in (("apis", "api"), ("gateways", "gateway"), ("connectors", "connector")):
            lines.append(f"backend {backend}\n  balance {'leastconn' if role == 'gateway' else 'roundrobin'}\n")
            servers = [one for one in self.roles if one.role == role]
            lines += [f"  server {s.name} 127.0.0.1:{s.port} check port {s.health}\n" for s in servers]
        file = self._folder / "haproxy.cfg"
        file.write_text("".join(lines))
        return str(file)


def settings(stack: Stack) -> dict[str, str]:
    """The environment of anything that runs on this stack."""
    return {
        "CHAT4ALL_KAFKA__SERVERS": stack["kafka"].address,
        "CHAT4ALL_KAFKA__REPLICATION": "1",
        "CHAT4ALL_KAFKA__MIN_INSYNC_REPLICAS": "1",
        "CHAT4ALL_CASSANDRA__PORT": str(stack["cassandra"].port()),
        "CHAT4ALL_CASSANDRA__REPLICATION": "1",
        "CHAT4ALL_DIRECTORY__DIALECT": "postgresql",
        "CHAT4ALL_DIRECTORY__PORT": str(stack["postgresql"].port()),
        "CHAT4ALL_DIRECTORY__USER": "chat4all",
        "CHAT4ALL_DIRECTORY__PASSWORD_FILE": str(stack["postgresql"].password),
        "CHAT4ALL_REDIS__PORT": str(stack["redis"].port()),
        "CHAT4ALL_REDIS__PASSWORD_FILE": str(stack["redis"].password),
        "CHAT4ALL_FILES__ENDPOINT": stack["minio"].address,
        "CHAT4ALL_FILES__USER": "chat4all",
        "CHAT4ALL_FILES__PASSWORD_FILE": str(stack["minio"].password),
        "CHAT4ALL_ACCOUNTS__DEMO": "true",
    }


def _secrets(folder: Path) -> dict[str, str]:
    """A key that signs tokens and the internal API's token, made the first time."""
    keys, token = folder / "keys", folder / "internal-token"
    if not keys.exists():
        keys.mkdir(mode=0o700)
        if shutil.which("openssl") is None:
            raise StackError("'openssl' is not installed. On Debian or Ubuntu: apt-get install openssl")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", keys / "stack.pem"], check=True)
    if not token.exists():
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe(32))
    return {"CHAT4ALL_ACCOUNTS__KEYS_DIR": str(keys), "CHAT4ALL_INTERNAL__TOKEN_FILE": str(token)}
