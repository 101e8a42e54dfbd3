"""A namespace with quotas and limits, Services that are called as the product is, and Secrets that come late or wrong.

Cases A10 and A11, and what bad input gets: a pod that lacks something starts, says what, and goes on by itself.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from tests.e2e.cluster import CommandError, Namespace, Release, apply, merged, run, until
from tests.e2e.conftest import apply_example, values

from chat4all_devtools.stack.stack import Stack

NAME = "chat4all-server"
SERVICES = ("chat4all", "chat4all-database", "redis", "kafka")
MODEST = {"resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}}}
ROLES = ("api", "gateway", "router")


@pytest.fixture(scope="module")
def strict(prepared: Callable[[str], Namespace]) -> Iterator[Namespace]:
    """Every pod has to say what it needs, within bounds; and Kubernetes may put <SERVICE>_PORT into each."""
    namespace = prepared("strict")
    meta = {"namespace": namespace.name}
    hard = {"pods": "9", "requests.cpu": "4", "requests.memory": "8Gi", "limits.cpu": "8", "limits.memory": "12Gi"}
    bounds = {
        "type": "Container",
        "min": {"cpu": "100m", "memory": "128Mi"},
        "max": {"cpu": "1", "memory": "1Gi"},
        "maxLimitRequestRatio": {"cpu": "2", "memory": "2"},
    }
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits", **meta}}
    apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota", **meta}, "spec": {"hard": hard}},
        {**limits, "spec": {"limits": [bounds]}},
        *(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, **meta},
                "spec": {"ports": [{"port": 80}], "selector": {"app": "nobody"}},
            }
            for name in SERVICES
        ),
    )
    yield namespace
    namespace.delete()


@pytest.fixture(scope="module")
def modest(people: object, strict: Namespace, engines: Stack) -> Release:
    """A release of the product's own name, with what pods need and no more, on the engines of the other one."""
    _ = people
    own = merged(values(engines), dict.fromkeys((*ROLES, "migrate", "probe", "connectors", "operator"), MODEST))
    own["operator"] = {**MODEST, "unregisterSeconds": 20}  # a Job that gets no pod is given up then
    own |= {"crds": {"enabled": False}, "rbac": {"clusterRoles": False}, "ingress": {"enabled": False}}
    return Release(strict, merged(own, {role: {"replicas": 1} for role in ROLES}), NAME)


def logs(release: Release, component: str) -> str:
    label = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={release.name}"
    return release.namespace.kubectl("logs", "-l", label, "--tail=-1", "--ignore-errors")


def restarts(release: Release) -> int:
    pods = [pod for role in ROLES for pod in release.namespace.pods(role, release.name)]
    return sum(status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"])


def test_what_is_missing_or_wrong_is_said_and_waited_for(modest: Release, engines: Stack) -> None:
    namespace = modest.namespace
    right = engines["postgresql"].password.read_text()
    namespace.kubectl("delete", "secret", "public", "internal", "probe")
    namespace.secret("sql", password="correct-horse-of-another-stable")
    modest.install("--wait=false")

    said = {
        "gateway": "No signing key in /secrets/public",
        "api": "CHAT4ALL_INTERNAL__TOKEN_FILE: there is no file /secrets/internal/token",
        "router": "password authentication failed",
        "migrate": "password authentication failed",
    }
    for component, why in said.items():
        until(f"the {component} says why", partial(says, modest, component, why))
    assert {role: namespace.ready(role, NAME) for role in ROLES} == dict.fromkeys(ROLES, 0)
    everything = "".join(logs(modest, component) for component in said)
    assert "correct-horse" not in everything, "a password is never printed"

    namespace.secret("sql", password=right)
    until("migrate says what else it lacks", lambda: "/secrets/probe" in logs(modest, "migrate"))
    from_elsewhere = Namespace("c4a")
    for name in ("public", "internal", "probe"):
        found = from_elsewhere.get("secret", name)
        apply({**found, "metadata": {"name": name, "namespace": namespace.name}})
    until("all are ready by themselves", lambda: all(namespace.ready(role, NAME) == 1 for role in ROLES))
    until("the migration is done", lambda: job(modest)["status"].get("succeeded") == 1)
    assert restarts(modest) == 0, "nobody ended for what was missing"


def says(release: Release, component: str, what: str) -> bool:
    return what in logs(release, component)


def job(release: Release) -> dict[str, Any]:
    found: list[dict[str, Any]] = release.namespace.get("jobs", "-l", f"app.kubernetes.io/instance={release.name}")
    return found[0]


def test_a8_every_way_to_the_schema_ends_well(modest: Release, engines: Stack) -> None:
    atomic = ("--atomic", "--wait", "--wait-for-jobs", "--timeout", "5m")
    namespace = modest.namespace
    modest.install(*atomic)
    first = job(modest)["metadata"]["name"]
    modest.install(*atomic, gateway={"podAnnotations": {"a8": "other values"}})
    assert job(modest)["metadata"]["name"] == first, "the same schema job, left alone"
    namespace.kubectl("delete", "job", first)
    modest.install(*atomic)
    assert job(modest)["metadata"]["name"] == first

    right = engines["postgresql"].password.read_text()
    namespace.secret("sql", password="correct-horse-of-another-stable")
    modest.install("--wait=false", migrate={"extraEnv": [{"name": "A8", "value": "one"}]})
    until("the job waits", lambda: "waiting: directory" in logs(modest, "migrate"))
    modest.install("--wait=false", migrate={"extraEnv": [{"name": "A8", "value": "two"}]})
    until("the second job waits", lambda: "waiting: directory" in logs(modest, "migrate"))
    namespace.secret("sql", password=right)
    until("a mended Secret is enough", lambda: job(modest)["status"].get("succeeded") == 1)
    modest.install(*atomic, migrate={"extraEnv": []})


def test_a10_nothing_is_refused_by_quota_limits_or_level(modest: Release) -> None:
    assert "was accepted once" in modest.test()
    events = modest.namespace.get("events", "--field-selector", "reason=FailedCreate")
    assert [one["message"] for one in events] == []


def test_a10_a_full_quota_is_named(modest: Release) -> None:
    namespace = modest.namespace
    limit(namespace, 3)
    with pytest.raises(CommandError, match="exceeded quota: quota, requested: pods=1"):
        modest.test()
    limit(namespace, 9)


def limit(namespace: Namespace, pods: int) -> None:
    change = json.dumps({"spec": {"hard": {"pods": str(pods)}}})
    namespace.kubectl("patch", "resourcequota", "quota", "--type=merge", "-p", change)


def paused(namespace: Namespace) -> None:
    namespace.kubectl("patch", "chconn", "modest", "--type=merge", "-p", '{"spec": {"state": "Paused"}}')
    # One that is about to end still hears that it is over, and tells the provider.
    until("its pod is gone", lambda: namespace.get("pods", "-l", "app.kubernetes.io/component=connector") == [])


@pytest.mark.long
def test_a10_connectors_and_the_job_that_unregisters_them_get_their_pods(modest: Release, simulator: str) -> None:
    """Then the quota is full: the condition has a reason and the server's words, and a deletion ends all the same."""
    namespace = modest.namespace
    url = f"{simulator}/control/telegram/bots/modest_bot"
    token = httpx.put(url, json={}, timeout=60).raise_for_status().json()["token"]
    apply_example(namespace, token, simulator, "modest")
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/modest", "--timeout=240s")
    assert httpx.get(url, timeout=60).json()["webhook"]
    paused(namespace)
    namespace.kubectl("delete", "chconn", "modest", "--timeout=120s")
    assert httpx.get(url, timeout=60).json()["webhook"] == "", "the Job has told the provider"
    events = namespace.get("events", "--field-selector", "reason=FailedCreate")
    assert [one["message"] for one in events if "unregister" in one["message"] or "connector" in one["message"]] == []

    apply_example(namespace, token, simulator, "modest")
    namespace.kubectl("wait", "--for=condition=Ready", "chconn/modest", "--timeout=240s")
    limit(namespace, 1)
    namespace.kubectl("scale", "chconn/modest", "--replicas=2")
    namespace.kubectl(
        "wait",
        "--for=jsonpath={.status.conditions[?(@.type=='Available')].reason}=PodsRefused",
        "chconn/modest",
        "--timeout=240s",
    )
    assert "exceeded quota: quota" in namespace.kubectl("get", "chconn", "modest", "-o", "wide")
    paused(namespace)
    namespace.kubectl("delete", "chconn", "modest", "--timeout=120s")
    reasons = {one["reason"] for one in namespace.get("events") if one["involvedObject"]["kind"] == "ChannelConnector"}
    assert "UnregisterGivenUp" in reasons
    limit(namespace, 9)


def test_an_image_that_cannot_be_had_leaves_the_old_pods_at_work(modest: Release) -> None:
    revision = len(run("helm", "history", NAME, "-n", modest.namespace.name).splitlines()) - 1
    modest.helm("upgrade", "--wait=false", "--set", "image.tag=absent", "--set", "migrate.extraEnv=null")

    def told() -> bool:
        events = modest.namespace.get("events", "--field-selector", "type=Warning")
        return any("absent" in one["message"] for one in events)

    until("the events say which image", told)
    assert all(modest.namespace.ready(role, NAME) == 1 for role in ROLES)
    run("helm", "rollback", NAME, str(revision), "-n", modest.namespace.name, "--wait", "--timeout", "5m")
    assert "was accepted once" in modest.test()


def test_a11_services_that_are_called_like_us_change_nothing(modest: Release) -> None:
    namespace = modest.namespace
    [pod] = namespace.pods("api", NAME)
    names = namespace.kubectl(
        "exec", pod["metadata"]["name"], "--", "python3", "-c", "import os; print(*os.environ)"
    ).split()
    foreign = [name for name in names if "__" not in name]  # ours have their section before that
    assert not [name for name in foreign if name.startswith(("CHAT4ALL_", "REDIS_", "KAFKA_"))]

    container = pod["spec"]["containers"][0]
    container |= {"name": "links", "args": ["config", "--json"], "env": []}
    for key in ("readinessProbe", "livenessProbe", "startupProbe", "lifecycle", "ports"):
        container.pop(key)
    spec = {**pod["spec"], "enableServiceLinks": True, "restartPolicy": "Never", "containers": [container]}
    spec.pop("nodeName")
    apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "links", "namespace": namespace.name}, "spec": spec})
    until("it has run", lambda: namespace.get("pod", "links")["status"]["phase"] == "Succeeded")
    found = {one["variable"]: one["value"] for one in json.loads(namespace.kubectl("logs", "links"))}
    assert found["CHAT4ALL_SERVER__PORT"] == 8000
    assert found["CHAT4ALL_DIRECTORY__HOST"] == "127.0.0.1"
