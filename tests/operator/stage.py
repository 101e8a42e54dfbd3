"""A namespace with an operator, and the hub that it drives: what a person does there, and what they see."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.operator.cluster import GROUP, Namespace, client
from tests.operator.counts import calls
from tests.operator.processes import Hub, Operator, credentials, until

if TYPE_CHECKING:
    import httpx

QUICK = {"resync_seconds": "0.5", "poll_seconds": "0.3"}
_PATHS = {
    "deployment": "apps/v1",
    "replicaset": "apps/v1",
    "service": "v1",
    "pod": "v1",
    "secret": "v1",
    "event": "v1",
    "ingress": "networking.k8s.io/v1",
    "poddisruptionbudget": "policy/v1",
    "horizontalpodautoscaler": "autoscaling/v2",
    "httproute": "gateway.networking.k8s.io/v1",
    "job": "batch/v1",
    "channelconnector": GROUP,
}


class Stage:
    """`settings`: the operator's, in place of those of processes.Operator."""

    def __init__(self, namespace: Namespace, hub: Hub, folder: Path, **settings: str) -> None:
        self.namespace = namespace
        self.hub = hub
        self.folder = folder
        self.api: httpx.Client = client(namespace.control_plane)
        self.operator = Operator(namespace, hub, folder, **{**QUICK, **settings})

    # -- what a person does

    def create(self, connector: Mapping[str, Any]) -> str:
        """Create a connector; its uid."""
        answer = self.api.post(self.namespace.path, json=connector)
        assert answer.status_code == 201, answer.text
        uid: str = answer.json()["metadata"]["uid"]
        return uid

    def secret(self, name: str = "keys", **values: str) -> None:
        """Create a Secret with credentials."""
        self.namespace.create(credentials(name, **values))

    def patch(self, what: str, name: str, change: object, *, kind: str = "merge") -> Any:
        """Change an object by hand, as kubectl patch does, which a person is."""
        headers = {"Content-Type": f"application/{kind}-patch+json"}
        query = {"fieldManager": "kubectl-patch"}
        answer = self.api.patch(self._path(what, name), content=json.dumps(change), headers=headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, name: str, *, what: str = "channelconnector", propagation: str = "Background") -> None:
        """Delete an object, and wait for nothing."""
        body = {"propagationPolicy": propagation}
        answer = self.api.request("DELETE", self._path(what, name), json=body)
        assert answer.status_code in {200, 202}, answer.text

    def run(self, name: str) -> set[str]:
        """Have all pods of a connector be ready, as kubelet would: their uids."""
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        headers = {"Content-Type": "application/merge-patch+json"}
        running = set()
        for one in self.pods(name):
            path = f"{self._path('pod', one['metadata']['name'])}/status"
            answer = self.api.patch(path, content=json.dumps(ready), headers=headers)
            assert answer.status_code in {200, 404}, answer.text  # it may be replaced at this moment
            running |= {one["metadata"]["uid"]} if answer.status_code == 200 else set()
        return running

    def runs(self, name: str, pods: int = 1) -> set[str]:
        """Wait until a connector has so many pods, and have them be ready: their uids."""
        return until(f"{name} has {pods} pods", lambda: found if len(found := self.run(name)) == pods else set())

    # -- what a person sees

    def pods(self, name: str) -> list[Any]:
        """The pods of a connector that are not ending."""
        uid = self.get(name)["metadata"]["uid"]
        found = self.all("pod", labelSelector=f"chat4all.io/connector-uid={uid}")
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def get(self, name: str, what: str = "channelconnector") -> Any:
        """An object, or None where there is none."""
        answer = self.api.get(self._path(what, name))
        return None if answer.status_code == 404 else answer.raise_for_status().json()

    def all(self, what: str, **query: str) -> list[Any]:
        """All objects of a kind."""
        found: list[Any] = self.api.get(self._path(what), params=query).raise_for_status().json()["items"]
        return found

    def child(self, what: str, connector: str = "support") -> Any:
        """A child of a connector, or None."""
        return self.get(f"connector-{connector}", what)

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """A condition of a connector; empty where it has none."""
        found = (self.get(name) or {}).get("status", {}).get("conditions", [])
        return next((one for one in found if one["type"] == kind), {})

    def becomes(self, name: str, kind: str, status: str, reason: str) -> dict[str, Any]:
        """Wait until a condition of the newest spec is this one; it."""
        found: dict[str, Any] = {}

        def it_is() -> dict[str, Any] | None:
            nonlocal found
            resource = self.get(name) or {}
            found = next((one for one in resource["status"]["conditions"] if one["type"] == kind), {})
            newest = resource["metadata"]["generation"] == found.get("observedGeneration")
            return found if newest and (found["status"], found["reason"]) == (status, reason) else None

        try:
            return until(f"{name}: {kind}={status}/{reason}", it_is) or {}
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.get(name).get('status')}\n{self.operator.log()[-3000:]}") from None

    def loses(self, name: str, *kinds: str) -> None:
        """Wait until a connector has no child of these kinds."""
        for kind in kinds:
            until(f"{name} has no {kind}", lambda what=kind: self.child(what, name) is None)  # type: ignore[misc]

    def is_guarded(self, name: str) -> None:
        """Wait until a connector cannot go before its provider has been told."""
        until(f"{name} has a finalizer", lambda: self.get(name)["metadata"].get("finalizers"))

    def events(self, name: str) -> list[tuple[str, str, str]]:
        """What was told of a connector: type, reason, message."""
        found = self.all("event", fieldSelector=f"involvedObject.name={name},involvedObject.kind=ChannelConnector")
        return [(one["type"], one["reason"], one["message"]) for one in found]

    def is_told(self, name: str, kind: str, reason: str) -> str:
        """Wait for an event about a connector; its message."""
        return until(
            f"{name}: event {reason}",
            lambda: next((said for one, why, said in self.events(name) if (one, why) == (kind, reason)), ""),
        )

    def row(self, name: str) -> Any:
        """The registration of a connector, or None."""
        return self.hub.rows().get(f"{self.namespace.name}.{name}")

    def is_gone(self, name: str) -> None:
        """Wait until a connector is."""
        until(f"{name} is gone", lambda: self.get(name) is None)

    # -- the operator at rest

    def resyncs(self, times: int = 2) -> None:
        """Wait until it has listed everything so often, has asked for registrations as often, and looked at it all."""
        lists, polls = self._lists(), self._polls()
        until("more resyncs", lambda: self._lists() >= lists + times and self._polls() >= polls + times)
        until("it has nothing to look at", lambda: not self.metric("queue_objects"))

    def writes_at_rest(self) -> int:
        """How much it writes while it lists everything twice."""
        before = self.operator.writes()
        self.resyncs(3)
        return self.operator.writes() - before

    def applies(self) -> float:
        """How often it has applied a child."""
        return calls(self.operator, "kubernetes_calls", verb="apply")

    def rests(self) -> None:
        """Wait until it lists everything twice without writing."""
        until("it writes nothing more", lambda: self.writes_at_rest() == 0)

    def metric(self, name: str, **labels: str) -> float:
        """One of its metrics, without what their names begin with; 0 where it is not there."""
        return self.operator.metrics().get((f"chat4all_operator_{name}", frozenset(labels.items())), 0.0)

    def _lists(self) -> float:
        # Jobs are listed last.
        return calls(self.operator, "kubernetes_calls", verb="list", resource="jobs", outcome="ok")

    def _polls(self) -> float:
        return calls(self.operator, "internal_api_calls", verb="GET")

    def _path(self, what: str, name: str = "") -> str:
        api = _PATHS[what]
        root = "/api/v1" if api == "v1" else f"/apis/{api}"
        plural = "ingresses" if what == "ingress" else f"{what}s"
        return "/".join(part for part in (f"{root}/namespaces/{self.namespace.name}/{plural}", name) if part)


@contextlib.contextmanager
def staged(stage: Stage) -> Iterator[Stage]:
    """Its operator works; it has to live to the end, and meet nothing that it was not made for."""
    try:
        stage.operator.start()
        yield stage
        assert stage.operator.process.alive
        assert "Traceback" not in stage.operator.log(), stage.operator.log()[-5000:]
    finally:
        stage.operator.process.kill()
        stage.api.close()
