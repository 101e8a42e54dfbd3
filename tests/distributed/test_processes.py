"""Processes of distributed mode: what makes them ready, how they end, and what refuses to start."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import psycopg2
import pytest
import websockets

from chat4all.client import DEMO_PASSWORD, Client
from chat4all_devtools.ports import free_port
from chat4all_devtools.stack.roles import Roles, settings
from chat4all_devtools.stack.stack import Stack

pytestmark = pytest.mark.engine
DEADLINE = 300.0  # seconds, for faults: a process that ends finishes what it is at, and the machine may be slow


@contextlib.contextmanager
def epoch_with(stack: Stack, column: str, value: object) -> Iterator[None]:
    """The directory says something else of the log, for a while."""
    engine = stack["postgresql"]
    url = f"postgresql://chat4all:{engine.password.read_text()}@{engine.address}/chat4all"
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"SELECT {column} FROM log_epoch")
        [(before,)] = cursor.fetchall()
        cursor.execute(f"UPDATE log_epoch SET {column} = %s", (value,))
        try:
            yield
        finally:
            cursor.execute(f"UPDATE log_epoch SET {column} = %s", (before,))


def wrong(found: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What the doctor found wrong, by part, and its advice; but that an engine is slow, since this machine may be."""
    slow = re.compile(r"; it takes \d+ ms to answer$")
    return {
        one["part"]: f"{one['wrong']}: {one['advice']}"
        for one in found
        if one["wrong"] and not slow.search(one["wrong"])
    }


def test_migrate_again_changes_nothing_and_the_doctor_finds_all_well(roles: Roles) -> None:
    first, second = (roles.command("migrate", "--json") for _ in range(2))
    assert (first.returncode, first.stdout) == (0, second.stdout)
    found = json.loads(roles.command("doctor", "--json").stdout)
    engines = {"log", "store", "ledger", "directory", "realtime", "limits", "files"}
    assert {one["part"] for one in found} == {*engines, "clock", "schema"}
    assert wrong(found) == {}


CHANGED = {"partitions": (7, "has 24 partitions and had 7"), "identity": ("another", "is another topic")}


@pytest.mark.parametrize("column", CHANGED)
def test_a_log_that_is_another_is_refused(roles: Roles, engines: Stack, column: str) -> None:
    value, said = CHANGED[column]
    with epoch_with(engines, column, value):
        refused = roles.command("migrate")
    assert refused.returncode == 1
    assert said in refused.stderr


def test_the_doctor_says_what_is_away_and_which_setting_to_look_at(roles: Roles) -> None:
    away = {"CHAT4ALL_KAFKA__SERVERS": "127.0.0.1:1", "CHAT4ALL_REDIS__PORT": "1"}
    done = roles.command("doctor", "--json", environment=away)
    found = wrong(json.loads(done.stdout))
    assert done.returncode == 1
    assert "CHAT4ALL_KAFKA__SERVERS" in found["log"]
    assert "CHAT4ALL_REDIS__HOST" in found["realtime"]
    assert set(found) == {"log", "realtime", "limits", "schema"}


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("CHAT4ALL_KAFKA__REPLICATION", "1 copies of each, 1 in sync, and CHAT4ALL_KAFKA__REPLICATION is 2"),
        ("CHAT4ALL_KAFKA__MIN_INSYNC_REPLICAS", "needs 1 where CHAT4ALL_KAFKA__MIN_INSYNC_REPLICAS is 2"),
    ],
)
def test_the_doctor_sees_topics_that_are_kept_worse_than_they_are_to_be(roles: Roles, variable: str, said: str) -> None:
    done = roles.command("doctor", "--json", environment={variable: "2"})
    found = wrong(json.loads(done.stdout))
    assert done.returncode == 1
    assert said in found.pop("log")
    assert found == {}


def code(roles: Roles, role: str) -> int:
    """With which code it ends; what it says goes to the test's report."""
    try:
        return roles.process(role).wait(DEADLINE)
    finally:
        print(roles.log(role).read_text()[-4000:])


@pytest.mark.parametrize("role", ["api1", "gateway1", "router1", "connector1"])
def test_told_to_stop_a_process_ends_well(roles: Roles, role: str) -> None:
    process = roles.process(role)
    process.send_signal(signal.SIGTERM)
    assert code(roles, role) == 0
    roles.start()


@pytest.mark.parametrize("role", ["api1", "router1", "connector1"])
async def test_told_twice_a_process_ends_at_once(roles: Roles, engines: Stack, role: str) -> None:
    """With an engine that hangs, or a client that does, it would take seconds."""
    process, before = roles.process(role), len(roles.log(role).read_text())
    for name in ("kafka", "postgresql"):
        engines[name].signal(signal.SIGSTOP)
    client = hanging(process.port) if role == "api1" else contextlib.nullcontext()
    try:
        with client:
            process.send_signal(signal.SIGTERM)
            await ended_at_once(roles, role, before)
    finally:
        for name in ("kafka", "postgresql"):
            engines[name].signal(signal.SIGCONT)
    await asyncio.to_thread(roles.start)


def hanging(port: int) -> socket.socket:
    """A client that begins to log in, and does not go on; it is waited for."""
    client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\nExpect: 100-continue"
    client.sendall(f"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n{form}\r\n\r\n".encode())
    assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
    return client


async def ended_at_once(roles: Roles, role: str, before: int) -> None:
    """Told again and again: what comes within a second is the first one told twice."""
    process = roles.process(role)
    await until_said(roles, role, "Told to stop", after=before)
    async with asyncio.timeout(DEADLINE):
        while process.alive:
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.1)
    assert code(roles, role) == 128 + signal.SIGTERM
    assert "A second signal" in roles.log(role).read_text()[before:]


async def test_told_to_stop_while_engines_hang_a_process_ends_well(roles: Roles, engines: Stack) -> None:
    for name in ("kafka", "postgresql"):
        engines[name].signal(signal.SIGSTOP)
    try:
        roles.process("api1").send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(code, roles, "api1") == 0
    finally:
        for name in ("kafka", "postgresql"):
            engines[name].signal(signal.SIGCONT)
    await asyncio.to_thread(roles.start)


async def until_said(roles: Roles, role: str, what: str, *, after: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while what not in roles.log(role).read_text()[after:]:
            await asyncio.sleep(0.02)


async def test_told_to_stop_while_it_waits_for_an_engine_a_process_ends_well(roles: Roles) -> None:
    health = free_port()
    away = {"CHAT4ALL_KAFKA__SERVERS": "127.0.0.1:1", "CHAT4ALL_OPERATIONS__PORT": str(health)}
    roles._spawn("waiting", [sys.executable, "-m", "apps.router"], away)
    async with asyncio.timeout(DEADLINE), httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as http:
        said = ""
        while "log is unavailable" not in said:
            with contextlib.suppress(httpx.TransportError):
                answer = await http.get(f"http://127.0.0.1:{health}/readyz")
                assert answer.status_code == 503
                said = answer.json()["engines"]
            await asyncio.sleep(0.05)
    roles.process("waiting").send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(code, roles, "waiting") == 0
    assert "Traceback" not in roles.log("waiting").read_text()


async def test_a_gateway_that_stops_sends_its_clients_elsewhere_and_they_miss_nothing(roles: Roles) -> None:
    async with Client(roles.url, "ana", DEMO_PASSWORD) as ana, Client(roles.url, "bruno", DEMO_PASSWORD) as bruno:
        chat = await bruno.conversation_with("ana")
        gateway = next(role for role in roles.roles if role.name == "gateway1")
        url = f"ws://127.0.0.1:{gateway.port}/ws?token={await ana.token()}"
        async with websockets.connect(url, open_timeout=DEADLINE) as socket:
            roles.process("gateway1").send_signal(signal.SIGTERM)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await to_the_end(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert "random" in closed.value.rcvd.reason
        message = await bruno.post(chat, "while it was away")
        async with asyncio.timeout(DEADLINE):
            async for _, frame in ana.frames({}):
                if frame.get("message_id") == message:
                    break
    await asyncio.to_thread(roles.process("gateway1").wait, DEADLINE)
    await asyncio.to_thread(roles.start)


async def to_the_end(socket: websockets.ClientConnection) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            await socket.recv()


def test_health_and_metrics_are_on_a_port_of_their_own(roles: Roles) -> None:
    for role in roles.roles:
        with httpx.Client(base_url=f"http://127.0.0.1:{role.health}", trust_env=False, timeout=DEADLINE) as http:
            assert all(fault == "ok" for fault in http.get("/readyz").json().values())
            assert http.get("/livez").status_code == 200
            assert 'adapter="kafka"' in http.get("/metrics").text
            assert (http.get("/status").json() != {}) == (role.role == "connector")


def test_no_password_of_an_engine_is_in_what_is_said(roles: Roles, engines: Stack) -> None:
    said = roles.command("config", "--json").stdout
    for name, value in settings(engines).items():
        if name.endswith("PASSWORD_FILE"):
            assert Path(value).read_text() not in said
