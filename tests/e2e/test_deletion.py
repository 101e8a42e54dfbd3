"""Every order in which connectors and what runs them can go: each ends within two minutes, with an operator or without.

CONNECTORS: how many; `make e2e-deletion` has fifty of them, and one in ten runs.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml
from tests.e2e.cluster import CHART, CommandError, Namespace, Release, kubectl, merged, run, until
from tests.e2e.conftest import SMALL, apply_example, values

from chat4all_devtools.stack.stack import Stack

CONNECTORS = int(os.environ.get("E2E_CONNECTORS", "10"))
RUNNING = max(1, CONNECTORS // 10)
WITHIN = 120.0  # seconds
PAGE = CHART.parents[1] / "docs" / "operator.md"
FREE = """kubectl get chconn -o name | xargs -r kubectl patch --type=merge -p '{"metadata":{"finalizers":null}}'"""
MINE = ("-l", "app.kubernetes.io/component=connector")


@pytest.fixture(scope="module")
def going(release: Release, prepared: Callable[[str], Namespace], engines: Stack) -> Iterator[Release]:
    """A release beside the other one, of which an API and an operator run; nobody writes."""
    own = merged(values(engines), {role: {"replicas": 0} for role in ("gateway", "router")} | {"api": {"replicas": 1}})
    own |= {"crds": {"enabled": False}, "rbac": {"clusterRoles": False}, "ingress": {"enabled": False}}
    own["connectors"] = SMALL
    one = Release(prepared("going"), own)
    one.install()
    yield one
    one.namespace.delete()


@pytest.fixture
def connectors(going: Release, simulator: str) -> Callable[[], list[str]]:
    """Make connectors, some of which run and are registered at their provider; the bots of those."""

    def make() -> list[str]:
        namespace, bots = going.namespace, [f"leaving{number}_bot" for number in range(RUNNING)]
        for number, bot in enumerate(bots):
            made = httpx.put(f"{simulator}/control/telegram/bots/{bot}", json={}, timeout=60).raise_for_status().json()
            config = {"baseURL": simulator, "mode": "Webhook"}
            apply_example(namespace, made["token"], simulator, f"running-{number}", config=config)
        [*_, resource] = yaml.safe_load_all(namespace.kubectl("get", "chconn", "running-0", "-o", "yaml"))
        paused = {**resource["spec"], "state": "Paused"}
        head = {key: resource[key] for key in ("apiVersion", "kind")}
        names = [f"paused-{number}" for number in range(CONNECTORS - RUNNING)]
        text = yaml.safe_dump_all([{**head, "metadata": {"name": name}, "spec": paused} for name in names])
        namespace.kubectl("apply", "-f", "-", given=text)
        for name in names:
            namespace.kubectl("wait", "--for=jsonpath={.status.connectorId}", f"chconn/{name}", "--timeout=240s")
        for number in range(RUNNING):
            namespace.kubectl("wait", "--for=condition=Ready", f"chconn/running-{number}", "--timeout=240s")
        return bots

    return make


@contextmanager
def in_time(report: Callable[[str], None], what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    report(f"{what}: {CONNECTORS} connectors in {took:.0f} s")
    assert took < WITHIN


def left(namespace: Namespace) -> list[str]:
    return namespace.kubectl("get", "chconn", "-o", "name").split()


def webhooks(simulator: str, bots: list[str]) -> set[str]:
    found = [httpx.get(f"{simulator}/control/telegram/bots/{bot}", timeout=60).json() for bot in bots]
    return {one["webhook"] for one in found}


def without_operator(namespace: Namespace) -> None:
    """Delete them all, which hangs, and free them by the documented command, typed as it stands."""
    namespace.kubectl("delete", "chconn", "--all", "--wait=false")
    assert len(left(namespace)) == CONNECTORS
    assert FREE in PAGE.read_text()
    run("sh", "-c", FREE.replace("kubectl", f"kubectl -n {namespace.name}"))
    until("they are gone", lambda: left(namespace) == [])


def test_each_order_ends(
    going: Release,
    connectors: Callable[[], list[str]],
    simulator: str,
    report: Callable[[str], None],
) -> None:
    namespace = going.namespace

    bots = connectors()
    assert webhooks(simulator, bots) != {""}
    with in_time(report, "deleted in the foreground"):
        namespace.kubectl("delete", "chconn", "--all", "--cascade=foreground", f"--timeout={WITHIN:.0f}s")
    assert webhooks(simulator, bots) == {""}, "each provider was told"
    until("their children are gone", lambda: namespace.get("deployments,pods,services", *MINE) == [])

    connectors()
    namespace.kubectl("scale", f"deployment/{going.fullname}-operator", "--replicas=0")
    until("the operator is gone", lambda: namespace.pods("operator") == [])
    with in_time(report, "with no operator, freed by the command"):
        without_operator(namespace)

    going.install()
    connectors()
    with in_time(report, "deleted, then uninstalled"):
        namespace.kubectl("delete", "chconn", "--all", "--wait=false")
        going.uninstall()
        until("they are gone", lambda: left(namespace) == [])

    going.install()
    connectors()
    with in_time(report, "uninstalled, then deleted"):
        going.uninstall()
        assert len(left(namespace)) == CONNECTORS, "resources stay"
        found = namespace.get("deployments", *MINE)
        assert {one["spec"]["replicas"] for one in found} == {0}, "and stand still"
        namespace.kubectl("delete", "chconn", "--all", f"--timeout={WITHIN:.0f}s")

    going.install()
    connectors()
    absent = "set", "image", f"deployment/{going.fullname}-operator", "operator=localhost/chat4all:absent"
    namespace.kubectl(*absent)
    until("it cannot be pulled", lambda: "ErrImageNeverPull" in namespace.kubectl("get", "pods"))
    with in_time(report, "with an image that cannot be pulled, freed by the command"):
        without_operator(namespace)

    namespace.kubectl("rollout", "undo", f"deployment/{going.fullname}-operator")
    until("an operator acts", lambda: namespace.ready("operator") == 1)
    connectors()
    with in_time(report, "its namespace deleted"):
        kubectl("delete", "namespace", namespace.name, f"--timeout={WITHIN:.0f}s")
    with pytest.raises(CommandError, match="not found"):
        kubectl("get", "namespace", namespace.name)


def test_resources_are_taken_up_by_the_next_release_of_the_name(
    going: Release, prepared: Callable[[str], Namespace], simulator: str, connectors: Callable[[], list[str]]
) -> None:
    namespace = prepared("going")
    going.install()
    connectors()
    uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in namespace.get("chconn")}
    going.uninstall()
    going.install()
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/running-0", "--timeout=240s")
    assert {one["metadata"]["name"]: one["metadata"]["uid"] for one in namespace.get("chconn")} == uids
    spec = namespace.get("deployment", "connector-running-0")["spec"]
    assert spec["replicas"] == 1
    assert json.dumps(spec).count("CHAT4ALL_CHANNELS__UID") == 1
