"""A connector by `kubectl apply`: it runs because of its resource alone, and follows it without losing anything."""

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.distributed.load import Load
from tests.e2e.cluster import DEADLINE, Namespace, Release, until
from tests.e2e.conftest import apply_example

from chat4all.client import Client
from chat4all.connectors.simulator import BOT
from chat4all_devtools.phones import Phones

NEW_TOKEN_SECONDS = 150.0  # within which a changed Secret is in use
# `make e2e-idle` has a minute of each.
PAUSE_SECONDS = float(os.environ.get("E2E_PAUSE_SECONDS", "15"))
LIMITED_SECONDS = float(os.environ.get("E2E_PAUSE_SECONDS", "15"))  # of load while the provider takes no more
SCALING = {"minReplicas": 1, "maxReplicas": 2, "targetCPUPercent": 70}
CALM = 240.0  # seconds in which a scaler has to take a pod away


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


async def test_its_secret_is_replaced_while_messages_flow(
    release: Release, phone: str, load: Load, people: Callable[[str], Client]
) -> None:
    """The provider takes the old token no more, so that what comes to the phone from then on was sent with the new."""
    namespace, before = release.namespace, pods(release.namespace)
    new = f"{bot(phone)['token'].partition(':')[0]}:{secrets.token_hex(18)}"
    began = time.monotonic()
    await done(namespace.secret, "support-telegram", botToken=new)
    await done(httpx.put, f"{phone}/control/telegram/bots/{BOT}", json={"token": new}, timeout=60)
    async with Phones(phone) as phones, people("ana") as ana:
        await ana.post(await ana.conversation_with("bruno"), "With the new token")
        async with asyncio.timeout(DEADLINE):
            while not any("With the new token" in str(one.get("text")) for one in await phones.shows("bruno")):
                await asyncio.sleep(0.5)
    took = time.monotonic() - began
    await done(waits, namespace, "Ready=True")
    assert pods(namespace) == before, "no pod was started anew"
    assert took < NEW_TOKEN_SECONDS
    await load.goes_on()


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


@pytest.mark.long
async def test_replaced_by_force_it_goes_on_where_it_was(
    release: Release, phone: str, load: Load, report: Callable[[str], None]
) -> None:
    """kubectl deletes it and creates it anew: another uid, other pods, and with Retain the same topic and links."""
    namespace = release.namespace
    await done(patched, namespace, deletionPolicy="Retain")
    await done(waits, namespace, "Ready")
    before = namespace.get("chconn", "support")
    new = {"metadata": {"name": "support"}, **{key: before[key] for key in ("apiVersion", "kind", "spec")}}
    began = time.monotonic()
    await done(namespace.kubectl, "replace", "--force", "-f", "-", given=json.dumps(new))
    assert namespace.get("chconn", "support")["metadata"]["uid"] != before["metadata"]["uid"]
    await done(waits, namespace, "Ready")
    report(f"replaced by force: ready after {time.monotonic() - began:.0f} s")
    await load.goes_on()
    await done(patched, namespace, deletionPolicy="Unregister")


@contextlib.contextmanager
def busy(simulator: str) -> Iterator[None]:
    """Work for the connector: phones write to it as fast as they can."""
    url = f"{simulator}/control/telegram/phones/bruno/chats/{BOT}/messages"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, url]) for _ in range(2)]
    try:
        yield
    finally:
        for one in running:
            one.terminate()
            one.wait()


WRITER = """
import sys, httpx
with httpx.Client(timeout=60) as client:
    for number in range(100_000):
        client.post(sys.argv[1], json={"text": f"busy {number}"})
"""


def replicas(namespace: Namespace) -> int:
    found: int = namespace.get("chconn", "support")["spec"]["replicas"]
    return found


@pytest.mark.long
def test_cpu_scales_it_through_its_own_scale(release: Release, phone: str) -> None:
    """What is applied again unchanged, without replicas, leaves what the scaler has decided."""
    namespace = release.namespace
    token = bot(phone)["token"]
    apply_example(namespace, token, phone, replicas=None, autoscaling=SCALING)
    hpa = until("there is an HPA", lambda: namespace.get("hpa", "connector-support"))
    assert hpa["spec"]["scaleTargetRef"]["kind"] == "ChannelConnector"
    with busy(phone):
        until("a pod is added", lambda: replicas(namespace) == 2)
        until("it is ready", lambda: namespace.ready("connector") == 2)
        apply_example(namespace, token, phone, replicas=None, autoscaling=SCALING)
        assert replicas(namespace) == 2
    until("the pod is taken away", lambda: replicas(namespace) == 1, seconds=CALM)


@pytest.mark.long
async def test_a_connector_that_its_provider_makes_wait_is_not_given_more_pods(
    release: Release, phone: str, people: Callable[[str], Client]
) -> None:
    namespace = release.namespace
    await done(apply_example, namespace, bot(phone)["token"], phone, replicas=None, autoscaling=SCALING)
    refuses = {"id": "all", "on": {"method": "sendMessage"}, "do": {"fault": "too_many_requests", "retry_after": 20}}
    async with Phones(phone) as phones, people("ana") as ana:
        await phones.fails(refuses)
        try:
            await ana.post(await ana.conversation_with("bruno"), "This one waits")
            await done(waits, namespace, "RateLimited")
            await done(until, "nothing is scaled", lambda: policies(namespace) == {"Disabled"})
            before = await done(replicas, namespace)
            with busy(phone):
                began = time.monotonic()
                while time.monotonic() - began < LIMITED_SECONDS:  # what is tried is the load while it waits
                    assert await done(replicas, namespace) == before
                    await asyncio.sleep(2)
        finally:
            await done(httpx.delete, f"{phone}/control/faults/all", timeout=60)
        await done(waits, namespace, "RateLimited=False")
    await done(patched, namespace, autoscaling=None, replicas=1)
    await done(
        until, "there is no HPA", lambda: not namespace.get("hpa", "-l", "app.kubernetes.io/component=connector")
    )


def policies(namespace: Namespace) -> set[str]:
    """Which ways of scaling there are, up and down."""
    behavior = namespace.get("hpa", "connector-support")["spec"]["behavior"]
    return {one["selectPolicy"] for one in behavior.values()}


def test_what_is_deleted_leaves_nothing_at_the_provider(release: Release, phone: str) -> None:
    namespace = release.namespace
    token = bot(phone)["token"]
    assert bot(phone)["webhook"]
    namespace.kubectl("delete", "chconn", "support", "--timeout=120s")
    assert bot(phone)["webhook"] == ""
    children = "deployments,services,ingresses,pods,jobs,pdb,hpa"
    until("its children are gone", lambda: not namespace.get(children, "-l", "app.kubernetes.io/component=connector"))
    reasons = {one["reason"] for one in namespace.get("events") if one["involvedObject"]["kind"] == "ChannelConnector"}
    assert "Unregistered" in reasons
    apply_example(namespace, token, phone)
    waits(namespace, "Ready")
    assert bot(phone)["webhook"]
