"""How many pods there are: an HPA that follows the CPU, changes between a fixed number and a scaler, and drains."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.cluster import URL, Release, until
from tests.e2e.conftest import apply_example, password

from chat4all.connectors.simulator import BOT

CALM = 180.0  # seconds in which a scaler has to take a pod away
QUICK = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
    "scaleDown": {"stabilizationWindowSeconds": 15, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
}


def scaled(release: Release, component: str, **values: Any) -> None:
    release.install(**{component: values})


def replicas(release: Release, component: str) -> int:
    found: int = release.namespace.get("deployment", f"{release.fullname}-{component}")["spec"]["replicas"]
    return found


def test_cpu_adds_a_pod_and_its_lack_takes_it_away(release: Release) -> None:
    busy = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    scaling = {"enabled": True, "minReplicas": 2, "maxReplicas": 3, "behavior": QUICK}
    scaled(release, "api", autoscaling=scaling, resources=busy)

    def grown() -> bool:
        with httpx.Client(base_url=URL, timeout=60) as client:  # a password's hash takes its time, on purpose
            for _ in range(8):
                client.post("/token", data={"username": "admin", "password": password("admin")})
        return replicas(release, "api") == 3

    until("the HPA adds a pod", grown)
    until("the pod is ready", lambda: release.namespace.ready("api") == 3)
    until("the HPA takes a pod away", lambda: replicas(release, "api") == 2, seconds=CALM)
    scaled(release, "api", autoscaling={"enabled": False})


@contextmanager
def watched(release: Release, deployment: str, file: Path) -> Iterator[Callable[[], list[int]]]:
    """Every number of replicas that the Deployment was ever to have, by a watch."""
    place = ["-n", release.namespace.name, "get", "deployment", deployment, "--watch"]
    with file.open("w") as output:
        watch = subprocess.Popen(["kubectl", *place, "-o", "jsonpath={.spec.replicas}{'\\n'}"], stdout=output)
        try:
            until("the watch has begun", file.read_text)
            yield lambda: [int(line) for line in file.read_text().split()]
        finally:
            watch.terminate()
            watch.wait()


@pytest.mark.long
def test_a9_no_change_of_scaler_ever_lowers_the_number(release: Release, tmp_path: Path) -> None:
    """Helm takes `replicas` out where a scaler takes over, and the API server would put 1.

    https://github.com/helm/helm/issues/12650
    """
    scaled(release, "gateway", replicas=4)
    until("four are ready", lambda: release.namespace.ready("gateway") == 4)
    with watched(release, f"{release.fullname}-gateway", tmp_path / "replicas") as seen:
        scaled(release, "gateway", autoscaling={"enabled": True, "minReplicas": 4, "maxReplicas": 6})
        release.namespace.kubectl("scale", f"deployment/{release.fullname}-gateway", "--replicas=5")  # as it would
        release.install(settings={"gateway": {"receiptSeconds": 0.4}})
        assert seen()[-1] == 5, "another upgrade leaves what the scaler has decided"
        scaled(release, "gateway", autoscaling={"enabled": False})
        found = seen()
    assert min(found) >= 4, found
    assert found[-1] == 4
    scaled(release, "gateway", replicas=2)
    until("two are ready", lambda: release.namespace.ready("gateway") == 2)


def test_a9_a_connector_keeps_its_number_when_autoscaling_comes_and_goes(
    release: Release, phone: str, tmp_path: Path
) -> None:
    """Also where replicas is left out of what is applied from then on."""
    namespace = release.namespace
    apply_example(namespace, token(phone), phone, replicas=2)
    until("two are ready", lambda: namespace.ready("connector") == 2)
    with watched(release, "connector-support", tmp_path / "replicas") as seen:
        scaling = {"minReplicas": 2, "maxReplicas": 3, "targetCPUPercent": 100}
        apply_example(namespace, token(phone), phone, replicas=None, autoscaling=scaling)
        until("there is an HPA", lambda: namespace.get("hpa", "-l", "app.kubernetes.io/component=connector"))
        until("the scaler has looked", lambda: namespace.get("chconn", "support")["spec"]["replicas"] >= 2)
        apply_example(namespace, token(phone), phone, replicas=2)
        until("there is none", lambda: not namespace.get("hpa", "-l", "app.kubernetes.io/component=connector"))
        assert min(seen()) >= 2, seen()
    apply_example(namespace, token(phone), phone)
    until("one is ready", lambda: namespace.ready("connector") == 1)


def token(simulator: str) -> str:
    found: str = httpx.get(f"{simulator}/control/telegram/bots/{BOT}", timeout=60).json()["token"]
    return found


def test_a_drain_takes_one_pod_at_a_time(release: Release) -> None:
    wanted = {f"{release.fullname}-{role}" for role in ("api", "gateway", "router")}

    def budgets() -> set[str]:
        return {one["metadata"]["name"] for one in release.namespace.get("poddisruptionbudgets")}

    until("each role has a budget, and a connector of one pod has none", lambda: budgets() == wanted)

    def allows_one() -> bool:
        found = release.namespace.get("poddisruptionbudgets")
        return all(one["status"]["disruptionsAllowed"] == 1 for one in found)

    until("each budget allows one", allows_one)
    said = [evict(one) for one in release.namespace.pods("router")]
    assert said[0] == "Success"
    assert "disruption budget" in said[1]
    until("both are ready again", lambda: release.namespace.ready("router") == 2)


def evict(pod: dict[str, Any]) -> str:
    """Ask for an eviction, as a drain does; what the API server says."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
    command = ["kubectl", "create", "--raw", path, "-f", "-"]
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, check=False)
    return str(json.loads(done.stdout)["status"]) if done.returncode == 0 else done.stderr
