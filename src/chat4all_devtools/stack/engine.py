"""What every engine of the stack is made of."""

import abc
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

import psutil

from chat4all_devtools.ports import free_port

# Deadlines are for faults: what starts may be one of ten engines on a machine that is ten times slower than usual.
_START_SECONDS: Final = 600.0  # that an engine gets to answer; one whose process has ended is not waited for
_STOP_SECONDS: Final = 120.0  # until one that was told to end is killed
LOOK_SECONDS: Final = 60.0  # that one look may take: a login over TLS takes long where all start at once
_CLOCK_SECONDS: Final = 2.0
LOOPBACK: Final = "127.0.0.1"


class StackError(Exception):
    """An engine cannot be had or does not start. The message says what to do."""


class Engine(abc.ABC):
    """One engine in a folder of its own. `library`: where what is installed for it is kept, for every stack; `host`:
    the address of this machine that it listens on.

    Whatever state there is, is in the folder: its ports, its process's id, its log, its data.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    default_ports: ClassVar[Mapping[str, int]]

    def __init__(self, folder: Path, library: Path, host: str = LOOPBACK) -> None:
        self.folder = folder / self.name
        self.library = library
        self.host = host

    # -- what each says for itself

    @abc.abstractmethod
    def install(self) -> None:
        """Have its program in the library; does nothing where it is. Raises StackError."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Write its configuration, and make its data folder the first time."""

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it in the foreground."""

    @abc.abstractmethod
    def version(self) -> str:
        """Ask the running engine for its version: the health check. Raises any exception while it is not well."""

    # -- what is the same for all

    def port(self, name: str = "main") -> int:
        """The port of this name in this stack."""
        return int(self._ports()[name])

    @property
    def address(self) -> str:
        """The address at which it is reached, as host:port."""
        return f"{self.host}:{self.port()}"

    @property
    def password(self) -> Path:
        """A file with its password, made the first time."""
        file = self.folder / "password"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file

    def choose_ports(self, *, free: bool) -> None:
        """The usual ports, or any that are free; they stay what they are. Raises StackError."""
        file = self.folder / "ports.json"
        if file.exists():
            return
        ports = {name: free_port() if free else port for name, port in self.default_ports.items()}
        for port in () if free else ports.values():
            _check_free(self.title, self.host, port)
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(ports))

    @property
    def pid(self) -> int | None:
        """Its process, if it runs: neither one that only waits to be collected nor another that has the number now."""
        try:
            pid, began = (self.folder / "pid").read_text().split()
            seen = _began(int(pid))
        except (FileNotFoundError, ValueError):
            return None
        # The time is reckoned from the machine's start, of which its clock may think otherwise by now.
        return int(pid) if seen is not None and abs(seen - float(began)) < _CLOCK_SECONDS else None

    @property
    def alive(self) -> bool:
        """Whether its process runs now."""
        return self.pid is not None

    def start(self) -> None:
        """Start it in the background; does nothing where it runs."""
        if self.alive:
            return
        self.prepare()
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Collected when it ends, whoever ended it: PostgreSQL takes what is left of its last life for a living one.
        threading.Thread(target=process.wait, name=f"{self.name} ends", daemon=True).start()
        (self.folder / "pid").write_text(f"{process.pid} {_began(process.pid)}")

    def wait(self) -> str:
        """Wait until it answers; its version. Raises StackError with the end of its log."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self.version()
            except Exception as error:
                ended = not self.alive
                if ended or time.monotonic() > deadline:
                    tail = "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-15:])
                    what = "ended" if ended else f"does not answer ({error})"
                    raise StackError(f"{self.title} {what}. The end of {self.folder / 'log'}:\n{tail}") from error
            time.sleep(0.2)  # between looks, until the deadline

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; to every process of it. Does nothing where it does not run."""
        if self.pid is not None:
            for pid in _family(self.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def stop(self) -> None:
        """End it, and see that it has ended."""
        pid = self.pid
        if pid is None:
            return
        self.signal(signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.alive:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
            time.sleep(0.1)  # between looks, until the deadline
        (self.folder / "pid").unlink(missing_ok=True)

    def _ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.folder / "ports.json").read_text())
        return found


def need(program: str, advice: str) -> str:
    """The path of a program. Raises StackError that says how to get it."""
    found = shutil.which(program)
    if found is None:
        raise StackError(f"'{program}' is not installed. {advice}")
    return found


def run(command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command of an installation. Raises StackError with what it said."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-2000:]
        raise StackError(f"{' '.join(command[:3])} failed with {done.returncode}:\n{said}")


def _family(pid: int) -> list[int]:
    """A process and all that came of it: PostgreSQL's have process groups of their own."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:  # it has ended meanwhile
        return [pid]


def _began(pid: int) -> float | None:
    """When a process was started, in seconds since 1970; None: it has ended."""
    try:
        process = psutil.Process(pid)
        # A killed one's threads end after it, and hold its locks meanwhile.
        ended = process.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD} and process.num_threads() <= 1
        return None if ended else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _check_free(title: str, host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise StackError(
            f"{title} wants port {port}: {error.strerror}. Stop what has it, or use --free-ports."
        ) from error
