"""A connector by `kubectl apply`: it runs because of its resource alone, and follows it without losing anything."""

import asyncio
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.distributed.load import Load
from tests.e2e.cluster import DEADLINE, Namespace, Release, until

from chat4all.connectors.simulator import BOT

NEW_TOKEN_SECONDS = 150.0  # within which a changed Secret is in use
PAUSE_SECONDS = 60.0


async def done(work: Callable[..., Any], *given: Any, **more: Any) -> Any:
    """Do what blocks beside the load."""
    return await asyncio.to_thread(work, *given, **more)


def patched(namespace: Namespace, **spec: Any) -> None:
    namespace.kubectl("patch", "chconn", "support", "--type=merge", "-p", json.dumps({"spec": spec}))


def waits(namespace: Namespace, condition: str, name: str = "support") -> None:
    namespace.kubectl("wait", f"--for=condition={condition}", f"chconn/{name}", f"--timeout={DEADLINE:.0f}s")


def pods(namespace: Namespace) -> set[str]:
    return {one["metadata"]["uid"] for one in namespace.pods("connector")}


def bot(simulator: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{simulator}/control/telegram/bots/{BOT}", timeout=60).raise_for_status().json()
    return found


def test_a_person_sees_how_it_is(release: Release, phone: str) -> None:
    namespace = release.namespace
    columns, row = (line.split() for line in namespace.kubectl("get", "chconn", "support").splitlines())
    assert columns == ["NAME", "READY", "CHANNEL", "REPLICAS", "ACCOUNT", "AGE"]
    assert row[:5] == ["support", "True", "telegram", "1", f"@{BOT}"]
    wide = namespace.kubectl("get", "chconn", "support", "-o", "wide")
    assert "/hooks/telegram/" in wide
    said = namespace.kubectl("describe", "chconn", "support")
    assert "Messages go both ways." in said
    assert "chat4all-operator" in said
    assert "channel" in namespace.kubectl("explain", "chconn.spec.config")


async def test_its_secret_is_replaced_while_messages_flow(release: Release, phone: str, load: Load) -> None:
    namespace, before = release.namespace, pods(release.namespace)
    old = bot(phone)["token"]
    new = f"{old.partition(':')[0]}:{'n' * 35}"
    await done(namespace.secret, "support-telegram", botToken=new)
    async with httpx.AsyncClient(base_url=f"{phone}/control/telegram", timeout=60) as control:
        (await control.put(f"/bots/{BOT}", json={"token": new})).raise_for_status()
    began = time.monotonic()
    await done(waits, namespace, "Ready=True")
    await load.goes_on()

    def used() -> bool:
        log = httpx.get(f"{phone}/control/log", params={"what": "received", "method": "sendMessage", "limit": 5}).json()
        return any(one.get("status", 200) == 200 for one in log["entries"])

    await done(until, "the new token is used", used)
    assert pods(namespace) == before, "no pod was started anew"
    assert time.monotonic() - began < NEW_TOKEN_SECONDS


async def test_three_pods_share_the_partitions(release: Release, phone: str, load: Load) -> None:
    namespace = release.namespace
    await done(namespace.kubectl, "scale", "chconn/support", "--replicas=3")
    await done(until, "three are ready", lambda: namespace.ready("connector") == 3)
    await load.goes_on()

    def shares() -> bool:
        return sorted(map(assigned, namespace.pods("connector"))) == [2, 2, 2]

    await done(until, "each has two partitions", shares)
    await done(namespace.kubectl, "scale", "chconn/support", "--replicas=1")
    await done(until, "one is ready", lambda: namespace.ready("connector") == 1)


def assigned(pod: dict[str, Any]) -> int:
    """How many partitions of its topic a connector's pod has."""
    address = pod["status"]["podIP"]
    text = httpx.get(f"http://{address}:9090/metrics", timeout=60).text
    found = [line for line in text.splitlines() if line.startswith("chat4all_outbound_partitions{")]
    return int(float(found[0].split()[-1])) if found else 0


async def test_a_pause_loses_nothing(release: Release, phone: str, load: Load) -> None:
    namespace = release.namespace
    await done(patched, namespace, state="Paused")
    await done(waits, namespace, "Ready=False")
    await done(until, "no pod is left", lambda: namespace.pods("connector") == [])
    await asyncio.sleep(PAUSE_SECONDS)  # what is tried is what comes meanwhile
    await done(patched, namespace, state="Running")
    await done(waits, namespace, "Ready")


@pytest.fixture
def busy(release: Release, phone: str) -> Iterator[Callable[[], None]]:
    """Work for the connector: what a phone writes, many times a second, until the test ends."""
    url = f"{phone}/control/telegram/phones/bruno/chats/{BOT}/messages"
    program = (
        "import sys, httpx\n"
        "with httpx.Client(timeout=60) as client:\n"
        "    for number in range(40000):\n"
        "        client.post(sys.argv[1], json={'text': f'busy {number}'})\n"
    )
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(subprocess.Popen(["python3", "-c", program, url]))

    yield start
    for one in running:
        one.terminate()
        one.wait()


def replicas(namespace: Namespace) -> int:
    found: int = namespace.get("chconn", "support")["spec"]["replicas"]
    return found


def test_cpu_scales_it_through_its_own_scale(release: Release, phone: str, busy: Callable[[], None]) -> None:
    namespace = release.namespace
    patched(namespace, autoscaling={"minReplicas": 1, "maxReplicas": 2, "targetCPUPercent": 70})
    hpa = until("there is an HPA", lambda: namespace.get("hpa", "--ignore-not-found", "connector-support"))
    assert hpa["spec"]["scaleTargetRef"]["kind"] == "ChannelConnector"
    busy()
    until("a pod is added", lambda: replicas(namespace) == 2)
    until("it is ready", lambda: namespace.ready("connector") == 2)
