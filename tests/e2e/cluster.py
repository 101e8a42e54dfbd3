"""The tests' hands in the cluster: kubectl and helm, as a person would type them."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from hack.node.components import ADDRESS, INGRESS_PORT

T = TypeVar("T")

URL: Final = f"http://{ADDRESS}:{INGRESS_PORT}"
CHART: Final = Path(__file__).resolve().parents[2] / "charts" / "chat4all"
DEADLINE: Final = 240.0  # seconds, for faults: a machine may be ten times slower than usual
_TIMEOUT: Final = 600.0


class CommandError(Exception):
    """A command has failed. The message is what it said."""


def run(*command: str, given: str | None = None) -> str:
    """Run a command; what it printed. Raises CommandError."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
    if done.returncode:
        raise CommandError(f"{' '.join(command)[:300]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*arguments: str, given: str | None = None) -> str:
    """Run kubectl. Raises CommandError."""
    return run("kubectl", *arguments, given=given)


def apply(*resources: Mapping[str, Any]) -> None:
    """Have these resources in the cluster. Raises CommandError."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(resources))


def until(what: str, condition: Callable[[], T | None], seconds: float = DEADLINE) -> T:
    """Wait until a condition has a result that is not None or false; that one."""
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except CommandError as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds:.0f} s: {what}" + (f" ({last})" if last else ""))


class Namespace:
    """A namespace that enforces the restricted level, as a careful operator makes one."""

    def __init__(self, name: str) -> None:
        self.name = name
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl in it. Raises CommandError."""
        return kubectl("--namespace", self.name, *arguments, given=given)

    def get(self, *arguments: str) -> Any:
        """What kubectl get shows, as JSON: one resource, or a list's items."""
        found = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found["items"] if found["kind"] == "List" else found

    def secret(self, name: str, **keys: str) -> None:
        """Have a Secret with these keys, of which underscores are dots."""
        data = {key.replace("__", "."): value for key, value in keys.items()}
        apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": self.name},
                "stringData": data,
            }
        )

    def pods(self, component: str, release: str = "c4a") -> list[Any]:
        """The pods of a component that are not about to go."""
        label = f"app.kubernetes.io/component={component},app.kubernetes.io/instance={release}"
        return [one for one in self.get("pods", "-l", label) if "deletionTimestamp" not in one["metadata"]]

    def ready(self, component: str, release: str = "c4a") -> int:
        """How many of them are ready."""
        return sum(map(is_ready, self.pods(component, release)))

    def delete(self) -> None:
        """Let it go, without waiting until it is gone."""
        kubectl("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's condition says so."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True"


class Release:
    """A release of the chart. `values`: what differs from the chart's own."""

    def __init__(self, namespace: Namespace, values: Mapping[str, Any], name: str = "c4a") -> None:
        self.namespace = namespace
        self.name = name
        self.values = dict(values)

    @property
    def fullname(self) -> str:
        """What the names of its objects begin with."""
        return self.name if "chat4all" in self.name else f"{self.name}-chat4all"

    def install(self, *options: str, **values: Any) -> str:
        """Install or upgrade it and wait; Helm's notes. `values`: on top, kept from now on. Raises CommandError."""
        self.values = merged(self.values, values)
        said = self.helm("upgrade", "--install", *(options or ("--wait", "--wait-for-jobs", "--timeout", "8m")))
        if self.values["ingress"]["enabled"]:  # its controller hears of it a moment later
            until("it is in the Ingress", lambda: run("curl", "--silent", "--fail", f"{URL}/readyz"))
        return said

    def helm(self, verb: str, *options: str, chart: Path = CHART) -> str:
        """Run a helm command that takes a chart and values. Raises CommandError."""
        place = ("--namespace", self.namespace.name)
        return run("helm", verb, self.name, str(chart), *place, "--values", "-", *options, given=self.text)

    @property
    def text(self) -> str:
        """Return its values as JSON, which Helm reads as a values file."""
        return json.dumps(self.values)

    def test(self) -> str:
        """Run helm test; what it and its pod printed. Raises CommandError."""
        command = ["helm", "test", self.name, "--namespace", self.namespace.name, "--timeout", "5m"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
        if done.returncode:
            raise CommandError(done.stdout + done.stderr)
        return done.stdout + done.stderr  # the pod's log is on the latter

    def uninstall(self, *options: str) -> None:
        """Uninstall it and wait until its pods are gone. Raises CommandError."""
        run("helm", "uninstall", self.name, "--namespace", self.namespace.name, "--wait", "--timeout", "5m", *options)

    def restart(self, component: str) -> None:
        """Restart a component as `kubectl rollout restart` does, and wait."""
        name = f"deployment/{self.fullname}-{component}"
        self.namespace.kubectl("rollout", "restart", name)
        self.namespace.kubectl("rollout", "status", name, f"--timeout={DEADLINE:.0f}s")


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others on top, as Helm merges them."""
    found = dict(base)
    for key, value in more.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found
