"""Every order in which connectors and what runs them can go: each ends within two minutes, with an operator or without.

E2E_CONNECTORS: how many; `make e2e-deletion` has fifty of them. One in ten runs, at its provider.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
import pytest
import yaml
from tests.e2e.cluster import CHART, CommandError, Namespace, Release, kubectl, merged, run, until
from tests.e2e.conftest import SMALL, apply_example, values
from tests.length import IS_LONG

from chat4all_devtools.stack.stack import Stack

CONNECTORS = int(os.environ.get("E2E_CONNECTORS", "10" if IS_LONG else "4"))
RUNNING = max(1, CONNECTORS // 10)
WITHIN = 120.0  # seconds
PAGE = CHART.parents[1] / "docs" / "operator.md"
FREE = """kubectl get chconn -o name | xargs -r kubectl patch --type=merge -p '{"metadata":{"finalizers":null}}'"""
MINE = ("-l", "app.kubernetes.io/component=connector")


@pytest.fixture(scope="module")
def going(people: object, prepared: Callable[[str], Namespace], engines: Stack) -> Iterator[Release]:
    """A release beside the other one, with its users, of which an API and an operator run; nobody writes."""
    _ = people
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


class Going(NamedTuple):
    """A release whose connectors are to go. `bots`: of those that run."""

    release: Release
    simulator: str
    bots: list[str]
    report: Callable[[str], None]

    @property
    def namespace(self) -> Namespace:
        """Return the namespace that the release is installed in."""
        return self.release.namespace

    @property
    def operator(self) -> str:
        """Return how kubectl names the operator's Deployment."""
        return f"deployment/{self.release.fullname}-operator"

    @contextmanager
    def in_time(self) -> Iterator[None]:
        """Hold what is done in it against the bound."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.report(f"{CONNECTORS} connectors have gone in {took:.0f} s")
        assert took < WITHIN

    def left(self) -> list[str]:
        """The connectors that are not gone."""
        return self.namespace.kubectl("get", "chconn", "-o", "name").split()

    def webhooks(self) -> set[str]:
        """Where the providers of those that run post to."""
        found = [httpx.get(f"{self.simulator}/control/telegram/bots/{bot}", timeout=60).json() for bot in self.bots]
        return {one["webhook"] for one in found}

    def freed(self) -> None:
        """Delete them all, which hangs, and free them by the documented command, typed as it stands."""
        self.namespace.kubectl("delete", "chconn", "--all", "--wait=false")
        assert len(self.left()) == CONNECTORS
        assert FREE in PAGE.read_text()
        run("sh", "-c", FREE.replace("kubectl", f"kubectl -n {self.namespace.name}"))
        self.are_gone()

    def are_gone(self) -> None:
        """Wait until no connector is left."""
        until("they are gone", lambda: self.left() == [])


def in_the_foreground(going: Going) -> None:
    assert going.webhooks() != {""}
    with going.in_time():
        going.namespace.kubectl("delete", "chconn", "--all", "--cascade=foreground", f"--timeout={WITHIN:.0f}s")
    assert going.webhooks() == {""}, "each provider was told"
    until("their children are gone", lambda: going.namespace.get("deployments,pods,services", *MINE) == [])


def with_no_operator(going: Going) -> None:
    going.namespace.kubectl("scale", going.operator, "--replicas=0")
    until("the operator is gone", lambda: going.namespace.pods("operator") == [])
    with going.in_time():
        going.freed()


def deleted_then_uninstalled(going: Going) -> None:
    with going.in_time():
        going.namespace.kubectl("delete", "chconn", "--all", "--wait=false")
        going.release.uninstall()
        going.are_gone()


def uninstalled_then_deleted(going: Going) -> None:
    with going.in_time():
        going.release.uninstall()
        assert len(going.left()) == CONNECTORS, "resources stay"
        found = going.namespace.get("deployments", *MINE)
        assert {one["spec"]["replicas"] for one in found} == {0}, "and stand still"
        going.namespace.kubectl("delete", "chconn", "--all", f"--timeout={WITHIN:.0f}s")


def uninstalled_without_hooks(going: Going) -> None:
    with going.in_time():
        going.release.uninstall("--no-hooks")
        going.freed()


def with_an_image_that_cannot_be_pulled(going: Going) -> None:
    going.namespace.kubectl("set", "image", going.operator, "operator=localhost/chat4all:absent")
    until("it cannot be pulled", lambda: "ErrImageNeverPull" in going.namespace.kubectl("get", "pods"))
    with going.in_time():
        going.freed()
    going.namespace.kubectl("rollout", "undo", going.operator)


def with_its_namespace(going: Going) -> None:
    with going.in_time():
        kubectl("delete", "namespace", going.namespace.name, f"--timeout={WITHIN:.0f}s")
    with pytest.raises(CommandError, match="not found"):
        kubectl("get", "namespace", going.namespace.name)


ORDERS = (
    *(in_the_foreground, with_no_operator, deleted_then_uninstalled, uninstalled_then_deleted),
    *(uninstalled_without_hooks, with_an_image_that_cannot_be_pulled, with_its_namespace),
)


@pytest.fixture
def scene(request: pytest.FixtureRequest, going: Release, connectors: Callable[[], list[str]], simulator: str) -> Going:
    """The release with its connectors at work, whatever the order before has left of it."""
    request.getfixturevalue("prepared")("going")
    going.install()
    return Going(going, simulator, connectors(), request.getfixturevalue("report"))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("order", ORDERS, ids=[one.__name__.replace("_", " ") for one in ORDERS])
def test_each_order_ends(scene: Going, order: Callable[[Going], None]) -> None:
    order(scene)


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
