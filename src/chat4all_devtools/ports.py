"""Ports for servers that are killed and started again where they were: the demo, the stack, tests, measurements."""

import itertools
import random
import socket
from pathlib import Path
from typing import Final

_HOST: Final = "127.0.0.1"
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT: Final = 20_000  # above what is usual for servers
_USUAL_EPHEMERAL_PORT: Final = 32_768  # the lowest ephemeral port where the system does not say it


def _below_ephemeral() -> range:
    """The kernel gives ephemeral ports to outgoing connections: while a server is down, one of them may take its port
    and keep it for a minute after its end (TIME_WAIT). https://docs.kernel.org/networking/ip-sysctl.html"""
    lowest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else _USUAL_EPHEMERAL_PORT
    return range(_LOWEST_PORT, lowest) if lowest > _LOWEST_PORT else range(_LOWEST_PORT, 65_536)


# Any order, so that two processes seldom try the same.
_PORTS: Final = itertools.cycle(random.SystemRandom().sample(_below_ephemeral(), len(_below_ephemeral())))


def free_port() -> int:
    """A port of loopback that nobody has now, that no outgoing connection will have, and that nobody else is given as
    long as this process lives."""
    return next(port for port in _PORTS if _reserve(port))


def _is_free(port: int) -> bool:
    try:
        socket.create_server((_HOST, port)).close()
    except OSError:
        return False
    return True


def _reserve(port: int) -> bool:
    """The UDP port of this number is what says that it is somebody's: no server of ours listens there, and the kernel
    lets go of it with the process, however that ends."""
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind((_HOST, port))
    except OSError:
        mark.close()
        return False
    if not _is_free(port):  # asked by whoever has the mark: a look takes the port for a moment
        mark.close()
        return False
    mark.detach()
    return True
