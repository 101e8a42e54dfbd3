"""Ports for servers that come back to them."""

import socket
import subprocess
import sys

from chat4all_devtools import ports
from chat4all_devtools.ports import free_port

ROOM = min(ports._below_ephemeral()) < int(ports._EPHEMERAL.read_text().split()[0])  # a system may leave none


def test_no_port_is_given_twice() -> None:
    given = [free_port() for _ in range(100)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(ports._below_ephemeral())


def test_none_is_one_that_an_outgoing_connection_may_have() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            with socket.create_connection(server.getsockname()) as client:
                assert not ROOM or client.getsockname()[1] not in ports._below_ephemeral()


def test_one_that_somebody_has_is_passed_over() -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken)):
        assert not ports._is_free(taken)
    assert ports._is_free(taken)


def test_one_that_was_given_is_no_other_process_s_until_this_one_ends() -> None:
    """Also while nobody listens there: a server that was killed comes back to it."""
    program = (
        "import sys; from chat4all_devtools.ports import free_port; print(free_port(), flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        given = int(other.stdout.readline())
        assert ports._is_free(given)
        assert not ports._reserve(given)
        other.communicate("")
    assert ports._reserve(given)
