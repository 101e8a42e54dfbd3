"""Children that were edited or deleted by hand are put right; what others have put there stays, and costs nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS, report
from tests.unit.operator.situations import working
from tests.unit.operator.steps import told

from chat4all_operator import kinds
from chat4all_operator.kinds import AUTOSCALER, BUDGET, DEPLOYMENT, SERVICE, Kind
from chat4all_operator.kinds import INGRESS as INGRESSES
from chat4all_operator.plan import Apply, Delete, Scale

Edit = Callable[[Any], object]
NAME = "connector-support"
CHILDREN = (DEPLOYMENT, SERVICE, INGRESSES, BUDGET, AUTOSCALER)


def with_every_child() -> Life:
    life = working(spec={"replicas": 2, "autoscaling": {"maxReplicas": 4}}, hooks=INGRESS)
    assert life.kinds() == {one.name for one in CHILDREN}
    return life


def pod(edit: Edit) -> Edit:
    return lambda found: edit(found["spec"]["template"]["spec"])


def container(edit: Edit) -> Edit:
    return pod(lambda found: edit(found["containers"][0]))


def metadata(edit: Edit) -> Edit:
    return lambda found: edit(found["metadata"])


def spec(edit: Edit) -> Edit:
    return lambda found: edit(found["spec"])


EDITS: dict[str, tuple[Kind, Edit]] = {
    "an image": (DEPLOYMENT, container(lambda it: it.update(image="other:1"))),
    "what it requests": (DEPLOYMENT, container(lambda it: it["resources"]["requests"].update(cpu="1"))),
    "its environment": (DEPLOYMENT, container(lambda it: it["env"].pop())),
    "its mounts": (DEPLOYMENT, container(lambda it: it.pop("volumeMounts"))),
    "its volumes": (DEPLOYMENT, pod(lambda it: it["volumes"].clear())),
    "how many": (DEPLOYMENT, spec(lambda it: it.update(replicas=5))),
    "how they are replaced": (DEPLOYMENT, spec(lambda it: it.update(strategy={"type": "Recreate"}))),
    "a label": (DEPLOYMENT, metadata(lambda it: it["labels"].pop("app.kubernetes.io/instance"))),
    "its owner": (SERVICE, metadata(lambda it: it["ownerReferences"][0].update(blockOwnerDeletion=True))),
    "that it has an owner": (SERVICE, metadata(lambda it: it.pop("ownerReferences"))),
    "a port": (SERVICE, spec(lambda it: it["ports"][0].update(port=81))),
    "a selector": (SERVICE, spec(lambda it: it.update(selector={"app": "x"}))),
    "a path": (INGRESSES, spec(lambda it: it["rules"][0]["http"]["paths"][0].update(path="/"))),
    "how many may be drained": (BUDGET, spec(lambda it: it.update(maxUnavailable=2))),
    "how many at most": (AUTOSCALER, spec(lambda it: it.update(maxReplicas=40))),
    # A field that is applied no longer is gone only when the whole is applied again.
    "what was applied before": (SERVICE, metadata(lambda it: it["annotations"].update({kinds.DIGEST: "old"}))),
}
RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-03-01T12:00:00Z"}
OTHERS: dict[str, Edit] = {
    "a restart by kubectl": spec(lambda it: it["template"]["metadata"].update(annotations=RESTARTED)),
    "a sidecar": pod(lambda it: it["containers"].append({"name": "mesh", "image": "mesh:1"})),
    "a sidecar before ours": pod(lambda it: it["containers"].insert(0, {"name": "mesh", "image": "mesh:1"})),
    "a volume": pod(lambda it: it["volumes"].append({"name": "mesh", "emptyDir": {}})),
    "a label": metadata(lambda it: it["labels"].update(team="red")),
    "an annotation": metadata(lambda it: it["annotations"].update({"deployment.kubernetes.io/revision": "4"})),
    "a default": spec(lambda it: it.update(minReadySeconds=5)),
    "a finalizer": metadata(lambda it: it.update(finalizers=["example.org/x"])),
    "another owner": metadata(
        lambda it: it["ownerReferences"].append({"uid": "x", "name": "support", "kind": "Gadget"})
    ),
}


def test_a_connector_at_rest_costs_nothing() -> None:
    life = with_every_child()
    life.pass_seconds(60)
    life.report(report())
    assert life.plan().steps == ()


@pytest.mark.parametrize("kind", CHILDREN, ids=lambda one: one.name)
def test_one_that_was_deleted_is_made_again(kind: Kind) -> None:
    life = with_every_child()
    del life.children[kind, NAME]
    assert told(life.plan().steps) == [f"Apply {kind.name}"]


@pytest.mark.parametrize("label", EDITS)
def test_one_that_was_edited_is_put_right(label: str) -> None:
    kind, edit = EDITS[label]
    life = with_every_child()
    edit(life.children[kind, NAME])
    assert told(life.settle()) == [f"Apply {kind.name}"]


@pytest.mark.parametrize("label", OTHERS)
def test_what_others_have_put_there_stays(label: str) -> None:
    life = with_every_child()
    OTHERS[label](life.children[DEPLOYMENT, NAME])
    assert life.plan().steps == ()


def test_one_that_is_going_is_awaited() -> None:
    life = with_every_child()
    for child in life.children.values():
        child["metadata"]["deletionTimestamp"] = objects.written(life.now)
        child["spec"]["replicas"] = 9
    assert told(life.settle()) == []


def test_what_is_somebody_else_s_is_neither_applied_nor_deleted() -> None:
    life = Life()
    for kind in (DEPLOYMENT, SERVICE):
        life.children[kind, NAME] = objects.theirs(kind)
    assert not any(isinstance(one, Apply | Delete | Scale) for one in life.settle())
    assert life.plan().again_seconds is not None, "not all kinds are watched"
    life.children.clear()
    assert told(life.settle()) == ["Apply Deployment"]


def test_only_what_is_known_to_be_its_own_is_forced() -> None:
    """What is not there may be there by now, and somebody else's."""
    life = with_every_child()
    del life.children[SERVICE, NAME]
    life.child(BUDGET)["spec"]["maxUnavailable"] = 2
    forced = {one.kind.name: one.force for one in life.plan().steps if isinstance(one, Apply)}
    assert forced == {"Service": False, "PodDisruptionBudget": True}
