"""The operator and the hub that it drives, as processes of a test's own.

The hub is the whole product on SQLite: its internal API keeps the registrations, and it can play one connector's pod.
The operator has the rights that the chart's Role gives it, and no more.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import yaml
from hack.node import programs
from prometheus_client.parser import text_string_to_metric_families
from tests.operator.cluster import Namespace

from chat4all_devtools.ports import free_port
from chat4all_devtools.process import Process
from chat4all_devtools.server import Server

T = TypeVar("T")

DEADLINE: Final = 180.0  # for faults: a machine may be ten times slower than usual
PUBLIC_URL: Final = "https://hooks.example.org"
TEMPLATE: Final[Mapping[str, Any]] = {
    "metadata": {"labels": {"app.kubernetes.io/part-of": "chat4all"}},
    "maxUnavailable": 1,
    "spec": {
        "serviceAccountName": "default",
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "connector",
                "image": "localhost/chat4all:dev",
                "args": ["run", "connector"],
                "env": [{"name": "CHAT4ALL_CHANNELS__CREDENTIALS_DIR", "value": "/credentials"}],
                "ports": [{"name": "hooks", "containerPort": 8010}],
                "resources": {"requests": {"cpu": "0.25", "memory": "0.5Gi"}, "limits": {"memory": "1024Mi"}},
            }
        ],
    },
}


def until(what: str, condition: Callable[[], T], *, seconds: float = DEADLINE) -> T:
    """Wait until the condition holds; what it returned. Fails with what it is called and what it last returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s, but {found!r}"
        time.sleep(0.1)  # between looks, until the deadline
    return found


class Hub:
    """The product in one process on SQLite, whose internal API the operator drives."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.internal_port = free_port()
        own = {
            "CHAT4ALL_INTERNAL__PORT": str(self.internal_port),
            "CHAT4ALL_CHANNELS__FOLDER": str(folder / "none"),
            "CHAT4ALL_CHANNELS__PUBLIC_URL": PUBLIC_URL,
        }
        self.server = Server(folder / "data", folder / "hub.log", {**own, **environment})

    @property
    def internal_url(self) -> str:
        return f"http://127.0.0.1:{self.internal_port}"

    @property
    def token_file(self) -> Path:
        return self.folder / "data" / "internal-token"

    def start(self) -> "Hub":
        self.server.start()
        return self

    def call(self, verb: str, path: str, **given: Any) -> Any:
        """Ask its internal API; the answer's JSON. Raises httpx.HTTPStatusError."""
        headers = {"Authorization": f"Bearer {self.token_file.read_text().split()[0]}"}
        url = f"{self.internal_url}/internal/v1/connectors{path}"
        return httpx.request(verb, url, headers=headers, timeout=DEADLINE, **given).raise_for_status().json()

    def rows(self) -> dict[str, Any]:
        """Every registration by its id."""
        return {one["id"]: one for one in self.call("GET", "")["connectors"]}


class Operator:
    """`chat4all operator` for a namespace; `settings`: of CHAT4ALL_OPERATOR__, in place of the usual ones."""

    def __init__(self, namespace: Namespace, hub: Hub, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.namespace = namespace
        self.port = free_port()
        template = folder / "template.yaml"
        if not template.exists():
            template.write_text(yaml.safe_dump(dict(TEMPLATE)))
        usual = {
            "namespace": namespace.name,
            "release": "c4a",
            "instance": "c4a",
            "pod": "operator-0",
            "image": "localhost/chat4all:dev",
            "pod_template": str(template),
            "api_url": hub.internal_url,
            "token_file": str(hub.token_file),
            "hooks": json.dumps({"public_url": PUBLIC_URL, "ingress": {"className": "contour"}}),
            "host": "127.0.0.1",
            "port": str(self.port),
            "resync_seconds": "5",
            "poll_seconds": "1",
        }
        given = {f"CHAT4ALL_OPERATOR__{name.upper()}": value for name, value in {**usual, **settings}.items()}
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(kubeconfig(namespace)))
        environment = {**os.environ, **given, "KUBECONFIG": str(self.kubeconfig), "PYTHONWARNINGS": "default"}
        self.process = Process([sys.executable, "-m", "chat4all_operator"], folder / "operator.log", environment)

    def start(self) -> "Operator":
        """Start it, and wait until it acts."""
        self.process.start()
        self.process.wait_until(lambda: self.ready() == {}, seconds=DEADLINE)
        return self

    def ready(self) -> dict[str, str] | None:
        """What is wrong with it, by name; None where it does not answer."""
        return self._asked("readyz")

    def live(self) -> dict[str, str] | None:
        """What is wrong with it so that only a new start could help; None where it does not answer."""
        return self._asked("livez")

    def _asked(self, what: str) -> dict[str, str] | None:
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/{what}", timeout=10)
        except httpx.HTTPError:
            return None
        found: dict[str, str] = answer.json()["problems"]
        return found

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Its metrics, by name and labels."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def writes(self) -> int:
        """How often it has changed something in the cluster but its lease, or asked the internal API to."""
        total = 0.0
        for (name, labels), value in self.metrics().items():
            told = dict(labels)
            if name == "chat4all_operator_kubernetes_calls_total" and told["resource"] != "leases":
                total += value if told["verb"] in {"apply", "patch", "create", "update", "delete"} else 0
            if name == "chat4all_operator_internal_api_calls_total":
                total += value if told["verb"] != "GET" else 0
        return int(total)

    def log(self) -> str:
        return self.process.log.read_text(errors="replace")


def kubeconfig(namespace: Namespace) -> dict[str, Any]:
    """The configuration of a service account with the operator's Role in this namespace."""
    plane = namespace.control_plane
    account = "c4a-chat4all-operator"
    for one in operator_rights(namespace.name):
        namespace.kubectl("apply", "--filename=-", given=json.dumps(one))
    token = namespace.kubectl("create", "token", account, "--duration=2h").strip()
    authority = base64.b64encode(plane.ca.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": plane.server, "certificate-authority-data": authority}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }


def operator_rights(namespace: str) -> list[dict[str, Any]]:
    """The chart's ServiceAccount, Role and RoleBinding of the operator."""
    text = rendered(namespace)
    kinds = {"ServiceAccount", "Role", "RoleBinding"}
    return [one for one in yaml.safe_load_all(text) if one and one["kind"] in kinds]


def rendered(namespace: str, template: str = "templates/operator.yaml", *more: str) -> str:
    """What helm makes of one of the chart's templates."""
    root = Path(__file__).resolve().parents[2]
    chart = root / "charts" / "chat4all"
    command = [str(programs.program("helm")), "template", "c4a", str(chart), "--namespace", namespace]
    command += ["--values", str(chart / "ci" / "base.yaml"), "--show-only", template, *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def credentials(name: str = "keys", **values: str) -> dict[str, Any]:
    """A Secret with credentials."""
    usual = {"botToken": "123456:abcdefghijklmnopqrstuvwxyzabcdefghi", "webhookSecret": "secret_of_this_test"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "chat4all.io/credentials",
        "stringData": values or usual,
    }


def conditions(resource: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Its conditions by type, as status and reason."""
    found = resource.get("status", {}).get("conditions", [])
    return {one["type"]: (one["status"], one["reason"]) for one in found}


def run_pods(namespace: Namespace, connector: str = "support") -> list[str]:
    """Have every pod of a connector be ready, as kubelet would; their names."""
    uid = namespace.get("chconn", connector)["metadata"]["uid"]
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    names = []
    for pod in namespace.get("pods", f"--selector=chat4all.io/connector-uid={uid}"):
        names.append(pod["metadata"]["name"])
        namespace.kubectl(
            "patch", "pod", names[-1], "--subresource=status", "--type=merge", "--patch", json.dumps({"status": ready})
        )
    return names
