"""Case A5: resources that no definition would have let in harm nobody but themselves, say what is wrong, and can go.

prometheus-operator#2727: one object with a field of the wrong type kept the operator from starting at all, and the
error did not say which. prometheus-operator#1985: one missing Secret held up all other changes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml
from hack.node.control_plane import ControlPlane, KubectlError
from tests.operator.cluster import Namespace, client, connector
from tests.operator.conftest import CRDS
from tests.operator.counts import calls, looks_again
from tests.operator.detour import Detour, answer, asked
from tests.operator.pods import tells
from tests.operator.processes import Hub, Operator, conditions, credentials, until

GOOD = 20
QUICK = {"resync_seconds": "1", "poll_seconds": "0.5"}
FILE = CRDS / "channelconnector.yaml"
FINALIZER = "chat4all.io/unregister"
LONG = "n" * 60
SPARKLING = {
    "type": "Sparkling",
    "status": "Perhaps",
    "reason": "no reason",
    "message": "",
    "lastTransitionTime": "never",
}


class Bad(NamedTuple):
    """A resource that should not be there. `accepted`: its condition; `field`: what the condition names."""

    name: str
    resource: dict[str, Any]
    accepted: tuple[str, str]
    field: str = ""
    status: Any = None


def bad(name: str, *, finalizers: tuple[str, ...] = (FINALIZER,), annotation: str = "", **spec: Any) -> dict[str, Any]:
    made = connector(name, **{"config": {"mode": "Polling"}, "state": "Paused", **spec})
    made["metadata"]["finalizers"] = list(finalizers)
    if annotation:
        names = ("chat4all.io/applied", "chat4all.io/template", "kopf.zalando.org/last-handled-configuration")
        made["metadata"]["annotations"] = dict.fromkeys(names, annotation)
    return made


INVALID, TAKEN = ("False", "Invalid"), ("True", "Accepted")
BAD = (
    Bad("wrong-type", bad("wrong-type", replicas="two"), INVALID, "spec.replicas"),
    Bad(LONG, bad(LONG), INVALID, "metadata.name"),
    Bad("large", bad("large", config={"words": "x" * 200 * 1024}), ("False", "ConfigTooLarge"), "spec.config"),
    Bad("no-channel", bad("no-channel", channel=None), INVALID, "spec.channel"),
    Bad("no-finalizer", bad("no-finalizer", finalizers=(), inbox="ana"), INVALID, "spec.inbox"),
    Bad("condition", bad("condition"), TAKEN, status={"conditions": [SPARKLING], "mood": "good"}),
    Bad("annotation", bad("annotation", annotation='{"spec": '), TAKEN),
)

# It is being deleted before there is an operator, and not even its status is what the definition asks for.
DOOMED = Bad("doomed", bad("doomed", replicas="two"), INVALID, status={"replicas": "two", "conditions": [SPARKLING]})


class Scene(NamedTuple):
    """Good connectors and bad ones, and an operator that was started beside them."""

    namespace: Namespace
    hub: Hub
    operator: Operator
    good: list[str]  # uids

    def ready(self) -> Counter[tuple[str, str]]:
        return Counter(conditions(one).get("Ready", ("", "")) for one in found(self.namespace).values())


def report(hub: Hub, uids: list[str]) -> bool:
    """A pod of each says that all is well; not that it is seen already."""
    for uid in uids:
        tells(hub, uid)
    return False


def found(namespace: Namespace) -> dict[str, Any]:
    """Every connector by its name."""
    with client(namespace.control_plane) as api:
        return {one["metadata"]["name"]: one for one in api.get(namespace.path).json()["items"]}


def loose() -> dict[str, Any]:
    """Our definition without what it asks for."""
    definition: dict[str, Any] = yaml.safe_load(FILE.read_text())
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = anything
    definition["spec"]["versions"][0].pop("selectableFields")
    definition["spec"]["versions"][0]["subresources"].pop("scale")  # it looks at spec.replicas by itself
    return definition


def define(plane: ControlPlane, definition: dict[str, Any], *, takes: bool) -> None:
    """Put a definition in the place of the one that is there, and wait until it takes anything, or does not."""
    plane.kubectl("replace", "--filename=-", given=json.dumps(definition))

    def refused() -> str:
        tried = json.dumps(bad("tried", replicas="two"))
        try:
            plane.kubectl("create", "--dry-run=server", "--validate=false", "--filename=-", given=tried)
        except KubectlError as error:
            return str(error)
        return ""

    until("the definition is used", lambda: bool(refused()) != takes)


def run_every_pod(namespace: Namespace) -> None:
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    merge = {"Content-Type": "application/merge-patch+json"}
    with client(namespace.control_plane) as api:
        place = f"/api/v1/namespaces/{namespace.name}/pods"
        for pod in api.get(place).json()["items"]:
            name = pod["metadata"]["name"]
            api.patch(f"{place}/{name}/status", content=json.dumps(ready), headers=merge).raise_for_status()


def begin_well(namespace: Namespace, hub: Hub, operator: Operator) -> list[str]:
    """Twenty connectors that are ready, and one whose Secret is missing; the operator is stopped. The twenty's uids."""
    operator.start()
    namespace.create(credentials())
    items = [connector(f"good-{number}", config={"mode": "Polling"}) for number in range(GOOD)]
    items.append(connector("secretless", config={"mode": "Polling"}, credentialsSecretRef={"name": "nowhere"}))
    namespace.create({"apiVersion": "v1", "kind": "List", "items": items})
    until("there are pods", lambda: len(namespace.get("pods")) == GOOD)
    run_every_pod(namespace)
    uids = [one["metadata"]["uid"] for name, one in found(namespace).items() if name != "secretless"]
    scene = Scene(namespace, hub, operator, uids)
    wanted = {("True", "Ready"): GOOD, ("False", "SecretMissing"): 1}
    until("the good ones are ready", lambda: scene.ready() == wanted or report(hub, uids))
    assert operator.process.stop() == 0
    return uids


def let_bad_ones_in(namespace: Namespace) -> None:
    plane = namespace.control_plane
    define(plane, loose(), takes=True)
    try:
        for one in (*BAD, DOOMED):
            namespace.kubectl("create", "--validate=false", "--filename=-", given=json.dumps(one.resource))
            if one.status:
                patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps({'status': one.status})}")
                namespace.kubectl("patch", "chconn", one.name, *patch)
        namespace.kubectl("delete", "chconn", "doomed", "--wait=false")
    finally:
        define(plane, yaml.safe_load(FILE.read_text()), takes=False)


@pytest.fixture(scope="module")
def scene(rough: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("a5")
    namespace, hub = Namespace(rough, "a5"), Hub(folder / "hub")
    operator = Operator(namespace, hub, folder / "operator", **QUICK)
    try:
        hub.start()
        uids = begin_well(namespace, hub, operator)
        let_bad_ones_in(namespace)
        yield Scene(namespace, hub, operator.start(), uids)
    finally:
        operator.process.kill()
        hub.server.kill()


def test_a5_the_operator_starts_and_the_good_ones_are_ready(scene: Scene) -> None:
    """Those that were ready still are, and one that is changed now is dealt with as ever, beside a missing Secret."""
    looks_again(scene.operator)
    wanted = {("True", "Ready"): GOOD, ("False", "SecretMissing"): 1}
    until("they are ready", lambda: wanted.items() <= scene.ready().items() or report(scene.hub, scene.good))
    scene.namespace.kubectl("scale", "chconn/good-7", "--replicas=2")
    until("one is scaled", lambda: scene.namespace.get("deployment", "connector-good-7")["spec"]["replicas"] == 2)


@pytest.mark.parametrize("one", BAD, ids=lambda one: one.name[:15])
def test_a5_each_bad_one_is_told_what_is_wrong(scene: Scene, one: Bad) -> None:
    until("it is told", lambda: conditions(found(scene.namespace)[one.name]).get("Accepted") == one.accepted)
    status = found(scene.namespace)[one.name]["status"]
    accepted = next(said for said in status["conditions"] if said["type"] == "Accepted")
    assert one.field in accepted["message"]
    assert "mood" not in status
    assert "Sparkling" not in conditions({"status": status})


def test_a5_nothing_is_tried_again_and_again(scene: Scene) -> None:
    until("each was told", lambda: all(
        conditions(found(scene.namespace)[one.name]).get("Accepted") == one.accepted for one in BAD
    ))  # fmt: skip
    report(scene.hub, scene.good)
    looks_again(scene.operator)
    written = scene.operator.writes()
    looks_again(scene.operator)
    assert scene.operator.writes() == written
    assert calls(scene.operator, "refused_writes") == 0


def test_a5_one_that_was_to_go_before_the_operator_came_has_gone(scene: Scene) -> None:
    until("it is gone", lambda: DOOMED.name not in found(scene.namespace))


@pytest.mark.parametrize("one", BAD, ids=lambda one: one.name[:15])
def test_a5_each_bad_one_can_be_deleted(scene: Scene, one: Bad) -> None:
    scene.namespace.kubectl("delete", "chconn", one.name, "--wait=false")
    until("it is gone", lambda: one.name not in found(scene.namespace))
    assert one.name not in {name.partition(".")[2] for name in scene.hub.rows()}


def test_a5_it_is_the_process_that_was_started(scene: Scene) -> None:
    assert scene.operator.process.alive
    assert "Traceback" not in scene.operator.log()
    assert scene.operator.ready() == {} == scene.operator.live()


def test_a5_a_status_that_is_refused_is_told_elsewhere(
    rough: ControlPlane, scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In a log line, a metric and one event, each with the name and the field; the operator goes on with the others."""
    told = {"kind": "Status", "code": 422, "reason": "Invalid", "message": 'spec.mood: Invalid value: "good"'}

    def refuse(request: bytes) -> bytes | None:
        refused = asked(request).startswith("PATCH ") and "/channelconnectors/moody/status?" in asked(request)
        return answer(422, told) if refused else None

    namespace = Namespace(rough, "a5-refused")
    operator = Operator(namespace, scene.hub, tmp_path_factory.mktemp("refused"), **QUICK)
    detour = Detour(rough.server, rough.ca.parent, refuse)
    detour.lead(operator.kubeconfig)
    try:
        operator.start()
        namespace.create(connector("moody", config={"mode": "Polling"}))
        until("it was refused twice", lambda: calls(operator, "refused_writes", resource="channelconnectors") >= 2)
        assert 'a5-refused/moody is refused: spec.mood: Invalid value: "good"' in operator.log()
        events = namespace.get("events", "--field-selector=involvedObject.name=moody,reason=StatusRefused")
        assert ["spec.mood" in one["message"] for one in events] == [True]
        namespace.create(connector("other", config={"mode": "Polling"}))
        until("another one is dealt with", lambda: conditions(found(namespace)["other"])["Ready"][1] == "SecretMissing")
        detour.rule = lambda _: None
        until("it can be written", lambda: conditions(found(namespace)["moody"])["Ready"][1] == "SecretMissing")
        assert operator.process.alive
    finally:
        operator.process.kill()
        detour.close()
