"""A Python that has imported what `chat4all` needs, and forks a child for every command: `python -m ... SOCKET`.

The child is what `python -m chat4all` would be, with arguments, environment, folder and streams of its own, but it
begins where most of a command's time is over. What differs: hashes are seeded once for all, and the parent is this
process. It ends with whoever holds the other side of the socket, and its children with it.
"""

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final, NamedTuple, TextIO

# All of it holds nothing that a fork would share: no thread, no loop, no connection, no file.
LOADED: Final = (
    "chat4all.cli.app",
    "chat4all.processes.dev",
    "chat4all.processes.maintenance",
    "chat4all_simulator.process",
    "anyio._backends._asyncio",
    "httpcore",
    "rich._emoji_codes",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
)
_MOST: Final = 1 << 20  # bytes of an order


class Order(NamedTuple):
    """A command to run. `streams`: its standard input, output and error; `ended`: is told its pid, then its code."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    session: bool
    streams: list[int]
    ended: socket.socket


class Forkserver:
    """Waits for orders and for the ends of its children. `control`: where the orders come from."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, tuple[int, socket.socket]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> Order | None:
        """What to run, in a child; nothing, at the end of it all."""
        while True:
            for key, _ in self._selector.select():
                if key.fd in self._children:
                    self._reap(key.fd)
                elif (order := received(self._control)) is None:
                    self._end()
                    return None
                elif self._is_child_of(order):
                    return order

    def _is_child_of(self, order: Order) -> bool:
        threads = len(list(Path("/proc/self/task").iterdir()))
        assert threads == 1, f"a fork takes one thread along, of {threads}"
        pid = os.fork()
        if pid == 0:
            order.ended.close()
            self._let_go()
            return True
        for stream in order.streams:
            os.close(stream)
        tell(order.ended, pid)
        watched = os.pidfd_open(pid)
        self._children[watched] = (pid, order.ended)
        self._selector.register(watched, selectors.EVENT_READ)
        return False

    def _reap(self, watched: int) -> None:
        self._selector.unregister(watched)
        os.close(watched)
        pid, ended = self._children.pop(watched)
        tell(ended, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        ended.close()

    def _end(self) -> None:
        for pid, _ in self._children.values():
            os.kill(pid, signal.SIGKILL)
        for watched in list(self._children):
            self._reap(watched)

    def _let_go(self) -> None:
        """The child has nothing of this."""
        self._selector.close()
        self._control.close()
        for watched, (_, ended) in self._children.items():
            os.close(watched)
            ended.close()


def received(control: socket.socket) -> Order | None:
    """The next order; nothing where the other side is gone."""
    message, files, _, _ = socket.recv_fds(control, _MOST, 4)
    if not message:
        return None
    arguments, environment, folder, session = json.loads(message)
    return Order(arguments, environment, folder, session, files[:3], socket.socket(fileno=files[3]))


def tell(ended: socket.socket, number: int) -> None:
    """Say a number to whoever waits for the command, if anybody still does."""
    with contextlib.suppress(BrokenPipeError):
        ended.send(str(number).encode())


def become(order: Order) -> None:
    """Be the command that was ordered."""
    if order.session:
        os.setsid()
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    for number, given in enumerate(order.streams):
        os.dup2(given, number)
        os.close(given)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = remade(getattr(sys, name), number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv[1:] = order.arguments
    sys.path[0] = order.folder  # as -m has it
    try:
        runpy.run_module("chat4all", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            leave(end.code or 0)
        raise


def leave(code: int) -> None:
    """End as Python does, but for taking every module apart, which costs a tenth of a second and shows nowhere.

    Where a stream cannot be written Python has more to say, and this returns.
    """
    threading._shutdown()  # type: ignore[attr-defined] # as multiprocessing does for its children
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def remade(like: TextIO, number: int) -> TextIO:
    """A standard stream as Python makes it of this file: create_stdio() in CPython's pylifecycle.c."""
    assert isinstance(like, io.TextIOWrapper)
    writing = number > 0
    unbuffered = writing and like.write_through
    binary = open(number, "wb" if writing else "rb", buffering=0 if unbuffered else -1, closefd=False)  # noqa: SIM115 - it is the stream for the rest of the process
    at_once = not unbuffered and (number == 2 or binary.isatty())
    return io.TextIOWrapper(
        binary,
        like.encoding,
        like.errors,
        newline="\n" if writing else None,
        line_buffering=at_once,
        write_through=unbuffered,
    )


if __name__ == "__main__":
    for module in LOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # so that no child's collector touches, and by that copies, what they share
    ordered = Forkserver(socket.socket(fileno=int(sys.argv[1]))).serve()
    if ordered is not None:
        become(ordered)
