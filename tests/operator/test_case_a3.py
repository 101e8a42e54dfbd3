"""Case A3: at no moment of its life does a resource say that it is ready for a spec that nobody has looked at.

strimzi#9278: a delivery tool took a new resource for healthy seconds after the apply, because it had no status yet.
strimzi#2354: a connector stayed ready, with the old observedGeneration, after its spec had become nonsense.
"""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hack.node.control_plane import KubectlError
from tests.integration.simulator.world import Simulator, simulating
from tests.operator.cluster import Namespace, client, connector
from tests.operator.detour import Detour, asked
from tests.operator.played import play
from tests.operator.pods import tells
from tests.operator.processes import DEADLINE, Hub, Operator, conditions, credentials, run_pods, until

WAIT = ("wait", "--for=condition=Ready", "chconn/support")
FIRST = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for the operator.",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}


class Recording:
    """Every state of every connector of a namespace from now on, as a watch tells it."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._client = client(namespace.control_plane)
        self.states: list[Mapping[str, Any]] = []
        listed = self._client.get(namespace.path).json()
        self._query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def end(self, name: str = "support") -> list[Mapping[str, Any]]:
        """All that was seen of it until now."""
        self._namespace.kubectl("label", "chconn", name, "recorded=whole")
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        self._client.close()
        return self.states

    def _record(self) -> None:
        with self._client.stream("GET", self._namespace.path, params=self._query, timeout=DEADLINE) as events:
            for line in events.iter_lines():
                state = json.loads(line)["object"]
                if "recorded" in state["metadata"].get("labels", {}):
                    return
                self.states.append(state)


def judged(state: Mapping[str, Any]) -> str:
    """What kstatus says of a resource of a kind that it does not know, by its rules in their order.

    https://github.com/kubernetes-sigs/cli-utils/blob/321951179c8f76296f4e5a6bd2b9d1f15aeb3f95/pkg/kstatus/status/generic.go
    and Compute beside it, which asks for the condition Ready last.
    """
    metadata, status = state["metadata"], state.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    for one in status.get("conditions", []):
        if one["type"] in {"Reconciling", "Stalled"} and one["status"] == "True":
            return "InProgress" if one["type"] == "Reconciling" else "Failed"
    ready = next((one["status"] for one in status.get("conditions", []) if one["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"


def check(states: list[Mapping[str, Any]]) -> None:
    """What has to hold of every state.

    The state in which a spec has just been changed still has the status from before, since nobody can write both at
    once: its observedGeneration gives it away, and whoever waits goes by that. Every status that is written is about
    the newest spec, or does not say that it is ready.
    """
    before: Mapping[str, Any] = {}
    for state in states:
        generation, status = state["metadata"]["generation"], state["status"]
        for one in status["conditions"]:
            if one != FIRST:
                assert one["observedGeneration"] == status["observedGeneration"], one
        if conditions(state)["Ready"][0] == "True" and status["observedGeneration"] != generation:
            assert status == before, "it was written that an old spec is ready"
            assert judged(state) == "InProgress"
        before = status


def sequence(states: list[Mapping[str, Any]], of: Callable[[Mapping[str, Any]], Any]) -> list[Any]:
    """What is said of them, one after the other, each once for as long as it does not change."""
    return [said for said, _ in itertools.groupby(of(one) for one in states)]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulating(tmp_path_factory.mktemp("simulator") / "data") as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path / "hub").start()
    yield made
    made.server.kill()


@pytest.fixture
def operator(namespace: Namespace, hub: Hub, tmp_path: Path) -> Iterator[Operator]:
    """One that is not started yet, as a Deployment of 0 replicas."""
    made = Operator(namespace, hub, tmp_path / "operator", resync_seconds="2", poll_seconds="0.5")
    yield made
    made.process.kill()


def test_a3_a_resource_is_judged_rightly_from_its_first_moment_to_its_last_change(
    namespace: Namespace, hub: Hub, operator: Operator, simulator: Simulator
) -> None:
    bot = simulator.bot()
    keys = {"botToken": bot.token, "webhookSecret": "secret_of_this_test"}
    recording = Recording(namespace)
    namespace.create(credentials(**keys))
    config = {"baseURL": simulator.url, "mode": "Polling"}
    namespace.create(connector(config=config, deletionPolicy="Retain"))

    # Nobody acts.
    assert namespace.get("chconn", "support")["status"] == {"conditions": [FIRST]}
    with pytest.raises(KubectlError, match="timed out"):
        namespace.kubectl(*WAIT, "--timeout=3s")

    # Somebody does, and it is waited for from that moment on.
    operator.start()
    with pytest.raises(KubectlError, match="timed out"):
        namespace.kubectl(*WAIT, "--timeout=3s")
    play(hub, namespace.get("chconn", "support")["metadata"]["uid"], keys)
    until("a pod is there", lambda: run_pods(namespace))
    namespace.kubectl(*WAIT, f"--timeout={DEADLINE:.0f}s")

    # Its spec becomes nonsense, and is waited for at once.
    patch = {"spec": {"config": {"mode": "Pigeon"}}}
    namespace.kubectl("patch", "chconn", "support", "--type=merge", f"--patch={json.dumps(patch)}")
    with pytest.raises(KubectlError, match="timed out"):
        namespace.kubectl(*WAIT, "--timeout=3s")
    until(
        "it is refused", lambda: conditions(namespace.get("chconn", "support"))["Ready"] == ("False", "ConfigInvalid")
    )
    found = namespace.get("chconn", "support")["status"]["conditions"]
    assert all("spec.config.mode" in one["message"] for one in found if one["type"] in {"Accepted", "Ready"})

    # It is mended.
    patch = {"spec": {"config": config}}
    namespace.kubectl("patch", "chconn", "support", "--type=merge", f"--patch={json.dumps(patch)}")
    namespace.kubectl(*WAIT, f"--timeout={DEADLINE:.0f}s")

    states = recording.end()
    check(states)
    assert states[0]["status"] == {"conditions": [FIRST]}
    says = [judged(state) for state in states]
    assert sequence(states, judged) == [
        *("InProgress", "Current"),
        *("InProgress", "Failed"),
        *("InProgress", "Current"),
    ], [(one["metadata"]["generation"], conditions(one), said) for one, said in zip(states, says, strict=True)]
    assert {
        conditions(state)["Ready"] for state, said in zip(states, says, strict=True) if said == "Failed"
    } == {("False", "ConfigInvalid")}  # fmt: skip


def test_a3_an_apply_while_the_operator_runs_is_never_taken_for_ready(namespace: Namespace, operator: Operator) -> None:
    """The Secret comes after its connector: until then the resource has failed for that reason, and no other."""
    operator.start()
    recording = Recording(namespace)
    namespace.create(connector(config={"mode": "Polling"}, deletionPolicy="Retain"))
    with pytest.raises(KubectlError, match="timed out"):
        namespace.kubectl(*WAIT, "--timeout=3s")
    until("it is told", lambda: conditions(namespace.get("chconn", "support"))["Ready"] == ("False", "SecretMissing"))
    namespace.create(credentials())
    until("its Secret is seen", lambda: conditions(
        namespace.get("chconn", "support")
    ).get("CredentialsResolved") == ("True", "Resolved"))  # fmt: skip
    states = recording.end()
    check(states)
    assert states[0]["status"] == {"conditions": [FIRST]}
    assert {judged(state) for state in states} <= {"InProgress", "Failed"}
    reasons = {conditions(state)["Ready"][1] for state in states if judged(state) == "Failed"}
    assert reasons == {"SecretMissing"}


def test_a3_a_status_that_a_change_of_the_spec_overtakes_is_not_written(
    namespace: Namespace, hub: Hub, operator: Operator
) -> None:
    """The operator has found the spec ready, and its word is on its way, while the spec becomes nonsense."""
    plane = namespace.control_plane
    held, may_pass = threading.Event(), threading.Event()

    def hold(request: bytes) -> None:
        if asked(request).startswith("PATCH ") and "/channelconnectors/support/status?" in asked(request):
            held.set()
            assert may_pass.wait(DEADLINE)

    detour = Detour(plane.server, plane.ca.parent)
    detour.lead(operator.kubeconfig)
    try:
        operator.start()
        namespace.create(credentials())
        namespace.create(connector(config={"mode": "Polling"}, deletionPolicy="Retain"))
        until("a pod is there", lambda: run_pods(namespace))
        until("a pod runs", lambda: conditions(namespace.get("chconn", "support"))["Available"][0] == "True")
        recording = Recording(namespace)
        detour.rule = hold
        tells(hub, namespace.get("chconn", "support")["metadata"]["uid"])
        assert held.wait(DEADLINE)
        namespace.kubectl("patch", "chconn", "support", "--type=merge", '--patch={"spec": {"config": {"mode": 1}}}')
        may_pass.set()
        until("it is refused", lambda: conditions(
            namespace.get("chconn", "support")
        )["Ready"] == ("False", "ConfigInvalid"))  # fmt: skip
        states = recording.end()
        check(states)
        assert "True" not in {conditions(state)["Ready"][0] for state in states}
    finally:
        may_pass.set()
        operator.process.kill()
        detour.close()
