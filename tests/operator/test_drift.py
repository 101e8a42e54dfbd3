"""What was changed by hand: what is ours is repaired, what is others' stays and costs nothing."""

import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.operator import audit
from tests.operator.cluster import connector
from tests.operator.processes import until
from tests.operator.stage import Stage, staged

KINDS = ("deployment", "service", "ingress", "poddisruptionbudget", "horizontalpodautoscaler")
WITHIN = 30.0  # seconds, with the usual periods, by which the operator of this module is far below


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        made.create(connector(replicas=2, autoscaling={"maxReplicas": 4}))
        until("all children are made", lambda: all(made.child(kind) for kind in KINDS))
        made.rests()
        yield made


IMAGE = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.org/other"}]
UID = [{"op": "remove", "path": "/spec/template/spec/containers/0/env/1"}]
MOUNT = [{"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts/0"}]
LABEL = [{"op": "remove", "path": "/metadata/labels/chat4all.io~1connector-uid"}]
OWNER = [{"op": "remove", "path": "/metadata/ownerReferences"}]
PATH = [{"op": "replace", "path": "/spec/rules/0/http/paths/0/path", "value": "/elsewhere"}]
EDITS: dict[str, tuple[str, Any, Callable[[Any], Any]]] = {  # of which child, the change, and what of it is looked at
    "the image": ("deployment", IMAGE, lambda one: one["spec"]["template"]["spec"]["containers"][0]["image"]),
    "its uid": ("deployment", UID, lambda one: one["spec"]["template"]["spec"]["containers"][0]["env"]),
    "its keys": ("deployment", MOUNT, lambda one: one["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]),
    "the number of pods": (
        "deployment", [{"op": "replace", "path": "/spec/replicas", "value": 5}], lambda one: one["spec"]["replicas"],
    ),
    "its requests": (
        "deployment",
        [{"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "3"}],
        lambda one: one["spec"]["template"]["spec"]["containers"][0]["resources"],
    ),
    "a label": ("deployment", LABEL, lambda one: one["metadata"]["labels"]),
    "the owner": ("deployment", OWNER, lambda one: one["metadata"]["ownerReferences"][0]["name"]),
    "the owner of a service": ("service", OWNER, lambda one: one["metadata"]["ownerReferences"][0]["name"]),
    "whom a service selects": (
        "service", [{"op": "replace", "path": "/spec/selector", "value": {"app": "other"}}],
        lambda one: one["spec"]["selector"],
    ),
    "the path": ("ingress", PATH, lambda one: one["spec"]["rules"][0]["http"]["paths"][0]["path"]),
    "what a drain may take": (
        "poddisruptionbudget", [{"op": "replace", "path": "/spec/maxUnavailable", "value": 2}],
        lambda one: one["spec"]["maxUnavailable"],
    ),
    "the most pods": (
        "horizontalpodautoscaler", [{"op": "replace", "path": "/spec/maxReplicas", "value": 99}],
        lambda one: one["spec"]["maxReplicas"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_a_field_of_ours_that_somebody_changed_is_repaired(stage: Stage, what: str) -> None:
    kind, change, look = EDITS[what]
    before = look(stage.child(kind))
    stage.patch(kind, "connector-support", change, kind="json")
    until(f"{what} is as it was", lambda: _looked(look, stage.child(kind)) == before, seconds=WITHIN)


def _looked(look: Callable[[Any], Any], found: Any) -> Any:
    try:
        return look(found)
    except (KeyError, IndexError, TypeError):
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_somebody_deleted_is_made_again(stage: Stage, kind: str) -> None:
    before = stage.child(kind)["metadata"]["uid"]
    stage.delete("connector-support", what=kind)
    until(f"another {kind}", lambda: (stage.child(kind) or {"metadata": {"uid": before}})["metadata"]["uid"] != before)


def containers(stage: Stage) -> dict[str, Any]:
    return {one["name"]: one for one in stage.child("deployment")["spec"]["template"]["spec"]["containers"]}


def test_what_others_have_added_stays_and_nothing_is_applied_for_it(stage: Stage) -> None:
    stage.rests()
    applied = stage.applies()
    stage.namespace.kubectl("rollout", "restart", "deployment/connector-support")
    sidecar = {"name": "mesh", "image": "example.org/mesh", "volumeMounts": [{"name": "mesh", "mountPath": "/mesh"}]}
    inside = {"containers": [sidecar], "volumes": [{"name": "mesh", "emptyDir": {}}]}
    stage.patch("deployment", "connector-support", {"spec": {"template": {"spec": inside}}}, kind="strategic-merge")
    foreign = {"metadata": {"labels": {"cost-centre": "7"}, "annotations": {"who": "somebody"}}}
    for kind in KINDS:
        stage.patch(kind, "connector-support", foreign)
    stage.patch("service", "connector-support", {"spec": {"sessionAffinity": "ClientIP"}})
    stage.patch("deployment", "connector-support", {"spec": {"minReadySeconds": 1}})
    stage.rests()
    assert stage.applies() == applied
    check_foreign(stage)
    # And it stays when something of ours is repaired beside it.
    other = {"spec": {"template": {"spec": {"containers": [{"name": "connector", "image": "example.org/other"}]}}}}
    stage.patch("deployment", "connector-support", other, kind="strategic-merge")
    until("it is repaired", lambda: containers(stage)["connector"]["image"] != "example.org/other")
    check_foreign(stage)


def check_foreign(stage: Stage) -> None:
    deployment = stage.child("deployment")
    assert "kubectl.kubernetes.io/restartedAt" in deployment["spec"]["template"]["metadata"]["annotations"]
    assert containers(stage).keys() == {"connector", "mesh"}
    assert deployment["spec"]["minReadySeconds"] == 1
    assert stage.child("service")["spec"]["sessionAffinity"] == "ClientIP"
    for kind in KINDS:
        assert stage.child(kind)["metadata"]["labels"]["cost-centre"] == "7"
        assert stage.child(kind)["metadata"]["annotations"]["who"] == "somebody"


def test_a_quantity_written_otherwise_is_the_same(stage: Stage) -> None:
    stage.rests()
    assert containers(stage)["connector"]["resources"]["requests"]["cpu"] == "250m"  # which the chart wrote as 0.25
    resources = {"requests": {"memory": "524288Ki"}}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "connector", "resources": resources}]}}}}
    applied = stage.applies()
    stage.patch("deployment", "connector-support", change, kind="strategic-merge")
    stage.rests()
    assert stage.applies() == applied


def test_it_watches_only_secrets_of_its_type_and_asks_for_others_by_name(stage: Stage) -> None:
    stage.namespace.kubectl("create", "secret", "generic", "of-another-type", "--from-literal=botToken=1:a")
    stage.namespace.kubectl("create", "secret", "generic", "of-nobody", "--from-literal=word=unread")
    stage.create(connector("other", credentialsSecretRef={"name": "of-another-type"}))
    stage.becomes("other", "CredentialsResolved", "False", "SecretWrongType")
    plane = stage.namespace.control_plane
    calls = audit.asked(plane, stage.namespace.name, "c4a-chat4all-operator")
    asked = [one for one in calls if one.resource == "secrets"]
    assert {one.verb for one in asked} == {"get", "list", "watch"}
    for one in asked:
        if one.verb == "get":
            assert one.name in {"keys", "of-another-type"}
        else:
            assert "fieldSelector=type=chat4all.io/credentials" in urllib.parse.unquote(one.uri)
    stage.delete("other")
