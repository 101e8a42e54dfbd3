"""The operator with a thousand connectors: how long, how many calls, how much of the processor, and how much memory."""

import asyncio
import concurrent.futures
import os
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from hack.node.control_plane import ControlPlane
from prometheus_client.parser import text_string_to_metric_families

from bench import process
from bench.measurement import OURS, FaultError, Measurement, Occasion, Row, Run
from chat4all_devtools.ports import free_port
from chat4all_devtools.process import Process
from chat4all_devtools.server import Server

_ROOT: Final = Path(__file__).resolve().parent.parent
_OBJECTS: Final = 1000
_QUICK_OBJECTS: Final = 100
_NAMESPACE: Final = "scale"
_BARE: Final = "bare"
_WORKERS: Final = 8  # as the operator has
_FLOOR: Final = "ConfigMaps"
_DEADLINE: Final = 1200.0  # seconds, for faults
_LOOK_SECONDS: Final = 0.5
_PATH: Final = f"/apis/chat4all.io/v1alpha1/namespaces/{_NAMESPACE}/channelconnectors"
_WRITES: Final = {"apply", "patch", "create", "update", "delete"}

_METHOD = """\
1,000 paused ChannelConnectors that share a Secret are created one after the other over one connection to a real API
server (with etcd, without waiting for the disk, and a controller manager), and the operator runs beside: the time is
from the first creation until the last of them says Ready=False, Paused. By then each has a registration, a Deployment
of no pods, a finalizer and its status. The floor is the bare creation of 1,000 ConfigMaps over the same connection,
in the same run. Registrations go to the product on SQLite, in a process of its own; their time is part of ours, and is
named apart: of several at once, so that it may be more than the whole. Then the operator is killed and started again
with what is there. At last the same writes are made by eight clients that decide nothing and register nothing: that
takes some seven times as long as the ConfigMaps, so that most of the distance is the API server's. All of it shares the
machine's two cores."""


class _Cluster:
    """A control plane with the definition, and a client of its API."""

    def __init__(self, folder: Path) -> None:
        self.plane = ControlPlane(folder)
        self.plane.up()
        crds = str(_ROOT / "k8s" / "crds")
        self.plane.kubectl("apply", "--server-side", f"--filename={crds}")
        self.plane.kubectl("wait", "--for=condition=Established", f"--filename={crds}", "--timeout=120s")
        self.plane.kubectl("create", "namespace", _NAMESPACE)
        context = ssl.create_default_context(cafile=self.plane.ca)
        context.load_cert_chain(*self.plane.certificate)
        self.http = httpx.Client(base_url=self.plane.server, verify=context, timeout=60, trust_env=False)

    def create(self, path: str, resource: Mapping[str, Any]) -> None:
        self.http.post(path, json=resource).raise_for_status()

    def paused(self) -> int:
        """How many say that they are."""
        found = self.http.get(_PATH).raise_for_status().json()["items"]
        return sum(_ready(one) == ("False", "Paused") for one in found)


def _ready(resource: Mapping[str, Any]) -> tuple[str, str]:
    conditions = resource.get("status", {}).get("conditions", [])
    return next(((one["status"], one["reason"]) for one in conditions if one["type"] == "Ready"), ("", ""))


class _Operator:
    """The operator's process, and what it counts."""

    def __init__(self, folder: Path, cluster: _Cluster, hub: Server, internal: int) -> None:
        self._port = free_port()
        template = folder / "template.yaml"
        container = {"name": "connector", "image": "localhost/chat4all:dev", "args": ["run", "connector"]}
        template.write_text(yaml.safe_dump({"metadata": {}, "spec": {"containers": [container]}}))
        given = {
            "namespace": _NAMESPACE,
            "release": "bench",
            "instance": "bench",
            "pod_template": str(template),
            "api_url": f"http://127.0.0.1:{internal}",
            "token_file": str(hub.data / "internal-token"),
            "host": "127.0.0.1",
            "port": str(self._port),
        }
        environment = {f"CHAT4ALL_OPERATOR__{name.upper()}": value for name, value in given.items()}
        environment |= {"KUBECONFIG": str(cluster.plane.kubeconfig)}
        command = [sys.executable, "-m", "chat4all_operator"]
        self.process = Process(command, folder / "operator.log", {**os.environ, **environment})

    def start(self) -> None:
        self.process.start()
        self.process.wait_until(self._is_ready, seconds=_DEADLINE)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def counts(self) -> list[tuple[str, Mapping[str, str], float]]:
        text = httpx.get(f"http://127.0.0.1:{self._port}/metrics", timeout=30).text
        families = text_string_to_metric_families(text)
        return [(one.name, one.labels, one.value) for family in families for one in family.samples]

    def calls(self) -> float:
        """On the Kubernetes API, but those of its lease."""
        return sum(value for name, labels, value in self.counts() if _is_call(name, labels))

    def writes(self) -> float:
        return sum(
            value
            for name, labels, value in self.counts()
            if (_is_call(name, labels) and labels["verb"] in _WRITES)
            or (name == "chat4all_operator_internal_api_calls_total" and labels["verb"] != "GET")
        )

    def gauge(self, wanted: str) -> float:
        return sum(value for name, _, value in self.counts() if name == f"chat4all_operator_{wanted}")


def _is_call(name: str, labels: Mapping[str, str]) -> bool:
    return name == "chat4all_operator_kubernetes_calls_total" and labels["resource"] != "leases"


@contextmanager
def _staged(folder: Path) -> Iterator[tuple[_Cluster, _Operator]]:
    cluster = _Cluster(folder / "plane")
    internal = free_port()
    hub = Server(folder / "hub", folder / "hub.log", {"CHAT4ALL_INTERNAL__PORT": str(internal)})
    try:
        hub.start()
        operator = _Operator(folder, cluster, hub, internal)
        try:
            operator.start()
            yield cluster, operator
        finally:
            operator.process.stop()
    finally:
        hub.stop()
        cluster.http.close()
        cluster.plane.stop()


def _measured(occasion: Occasion) -> Run:
    objects = _QUICK_OBJECTS if occasion.quick else _OBJECTS
    with process.on(None), _staged(occasion.folder) as (cluster, operator):
        began = time.monotonic()
        for number in range(objects):
            cluster.create(f"/api/v1/namespaces/{_NAMESPACE}/configmaps", _config_map(number))
        floor = time.monotonic() - began
        occasion.say(f"{objects} ConfigMaps in {floor:.1f} s")

        cluster.create(f"/api/v1/namespaces/{_NAMESPACE}/secrets", _secret())
        calls, cpu, began = operator.calls(), operator.process.cpu_seconds(), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            making = threads.submit(_make, cluster, objects)
            _wait(
                lambda: making.done() and operator.gauge("queue_objects") == 0 and cluster.paused() == objects,
                "not all are paused",
            )
            making.result()
        seconds = time.monotonic() - began
        figures = {
            "seconds": seconds,
            "calls": (operator.calls() - calls) / objects,
            "cpu_ms": (operator.process.cpu_seconds() - cpu) * 1000 / objects,
            "mib": operator.process.rss_kib() / 1024,
            "registrations_seconds": operator.gauge("internal_api_seconds_sum"),
        }
        occasion.say(f"{objects} connectors in {seconds:.1f} s")
        figures |= _again(operator)
        operator.process.stop()
        bare = _bare(cluster, objects)
        occasion.say(f"the same writes by nobody in particular in {bare:.1f} s")
        figures |= {"bare_seconds": bare, "bare_ratio": seconds / bare}
        return {OURS: figures, _FLOOR: {"seconds": floor}}


def _bare(cluster: _Cluster, objects: int) -> float:
    """The seconds for the same objects by the same writes, by eight clients that decide nothing: a connector, its
    finalizer, a Deployment of no pods, a status; without registrations."""
    cluster.plane.kubectl("create", "namespace", _BARE)
    example = cluster.http.get(f"{_PATH}/support-0").raise_for_status().json()
    place = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments/connector-support-0"
    deployment = cluster.http.get(place).raise_for_status().json()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as threads:
        list(threads.map(lambda number: _write(cluster, number, example["status"], deployment), range(objects)))
    return time.monotonic() - began


def _write(cluster: _Cluster, number: int, status: Mapping[str, Any], deployment: Mapping[str, Any]) -> None:
    path, merge = _PATH.replace(f"/{_NAMESPACE}/", f"/{_BARE}/"), {"Content-Type": "application/merge-patch+json"}
    connector = _connector(number)
    name = connector["metadata"]["name"]
    cluster.create(path, connector)
    held = {"metadata": {"finalizers": ["chat4all.io/unregister"]}}
    cluster.http.patch(f"{path}/{name}", json=held, headers=merge).raise_for_status()
    labels = {"chat4all.io/connector-uid": name}
    template = {**deployment["spec"]["template"], "metadata": {"labels": labels}}
    spec = {**deployment["spec"], "selector": {"matchLabels": labels}, "template": template}
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}
    place, apply = (
        f"/apis/apps/v1/namespaces/{_BARE}/deployments/{name}",
        {"Content-Type": "application/apply-patch+yaml"},
    )
    cluster.http.patch(place, params={"fieldManager": "bare"}, json=made, headers=apply).raise_for_status()
    cluster.http.patch(f"{path}/{name}/status", json={"status": dict(status)}, headers=merge).raise_for_status()


def _make(cluster: _Cluster, objects: int) -> None:
    for number in range(objects):
        cluster.create(_PATH, _connector(number))


def _again(operator: _Operator) -> dict[str, float]:
    """Kill it, start it again, and wait until it has looked at everything twice."""
    operator.process.kill()
    began = time.monotonic()
    operator.start()
    _wait(lambda: operator.gauge("queue_objects") == 0 and operator.gauge("reconcile_seconds_count") > 0, "it is busy")
    settled = time.monotonic() - began
    looked = operator.gauge("reconcile_seconds_count")
    _wait(lambda: operator.gauge("reconcile_seconds_count") >= 2 * looked, "it looks no second time")
    return {"restart_seconds": settled, "restart_writes": operator.writes()}


def _wait(condition: Any, otherwise: str) -> None:
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            raise FaultError(otherwise)
        time.sleep(_LOOK_SECONDS)  # between looks, until the deadline


def _config_map(number: int) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"floor-{number}"}, "data": {"a": "b"}}


def _secret() -> dict[str, Any]:
    data = {"botToken": f"123456:{'a' * 35}"}
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    return {**head, "type": "chat4all.io/credentials", "stringData": data}


def _connector(number: int) -> dict[str, Any]:
    spec = {
        "channel": "telegram",
        "state": "Paused",
        "credentialsSecretRef": {"name": "keys"},
        "inbox": {"members": ["ana"]},
    }
    head = {"apiVersion": "chat4all.io/v1alpha1", "kind": "ChannelConnector"}
    return {**head, "metadata": {"name": f"support-{number}"}, "spec": spec}


async def _measure(occasion: Occasion) -> Run:
    return await asyncio.to_thread(_measured, occasion)


MEASUREMENT: Final = Measurement(
    name="operator-scale",
    title="The operator, with 1,000 connectors",
    method=_METHOD,
    rows=(
        Row("until all are settled (s)", "seconds", "less", _FLOOR, 1, "at most 10 times"),
        Row("the same writes without an operator and registrations (s)", "bare_seconds", "less", digits=1),
        Row("the operator's time by that", "bare_ratio", "less", digits=2),
        Row("calls on the Kubernetes API, per connector", "calls", "less", digits=1),
        Row("CPU of the operator, per connector (ms)", "cpu_ms", "less", digits=1),
        Row("registrations, summed (s)", "registrations_seconds", "less", digits=1),
        Row("resident memory of the operator (MiB)", "mib", "less"),
        Row("a restart, until everything was looked at (s)", "restart_seconds", "less", digits=1, goal="at most 60"),
        Row("what the restart wrote", "restart_writes", "less", goal="nothing"),
    ),
    measure=_measure,
)
