"""What follows when somebody changes the spec: which steps, and that no pod is restarted by it."""

import copy
from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS
from tests.unit.operator.situations import change, comes_up, working
from tests.unit.operator.steps import told

from chat4all_operator.kinds import DEPLOYMENT, FINALIZER
from chat4all_operator.observed import SecretFound
from chat4all_operator.plan import Status

EVERYTHING: dict[str, Any] = {"spec": {"replicas": 2, "autoscaling": {"maxReplicas": 4}}, "hooks": INGRESS}
STOPS = ["Register", "Apply Deployment", "Delete PodDisruptionBudget", "Delete HorizontalPodAutoscaler"]
CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "inbox": ({"inbox": {"members": ["bruno"]}}, ["Register"]),
    "rate limit": ({"rateLimit": {"perSecond": 5}}, ["Register"]),
    "config": ({"config": {"parseMode": "HTML"}}, ["Register"]),
    "another Secret": ({"credentialsSecretRef": {"name": "others"}}, ["Register", "Apply Deployment"]),
    "fewer replicas": ({"replicas": 1}, ["Register", "Apply Deployment", "Delete PodDisruptionBudget"]),
    "more replicas": ({"replicas": 3}, ["Register", "Apply Deployment"]),
    "no replicas": ({"replicas": 0}, STOPS),
    "paused": ({"state": "Paused"}, STOPS),
    "no autoscaling": ({"autoscaling": None}, ["Register", "Delete HorizontalPodAutoscaler"]),
    "other autoscaling": ({"autoscaling": {"maxReplicas": 5}}, ["Register", "Apply HorizontalPodAutoscaler"]),
    "polling": ({"config": {"mode": "Polling"}}, ["Register", "Delete Service", "Delete Ingress"]),
    "to be retained": ({"deletionPolicy": "Retain"}, ["Finalizers", "Register"]),
}


def test_before_anything_is_registered_that_must_be_taken_back_the_finalizer_is_there() -> None:
    assert told(Life().settle()) == ["Finalizers", "Register", "Apply Deployment"]
    assert told(Life({"deletionPolicy": "Retain"}).settle()) == ["Register", "Apply Deployment"]


@pytest.mark.parametrize("label", CHANGES)
def test_the_steps(label: str) -> None:
    changed, steps = CHANGES[label]
    life = working(**EVERYTHING)
    pod = copy.deepcopy(life.child(DEPLOYMENT)["spec"]["template"])
    change(**changed)(life)
    assert told(life.settle()) == steps
    if "credentialsSecretRef" not in changed:
        assert life.child(DEPLOYMENT)["spec"]["template"] == pod, "no pod is restarted"


def test_other_credentials_in_the_same_secret_change_no_child() -> None:
    life = working(**EVERYTHING)
    life.secret = SecretFound("chat4all.io/credentials", {"botToken": b"999:another"})
    assert life.plan().steps == ()


def test_nothing_is_said_before_what_is_to_be_done_is_done() -> None:
    life = working()
    life.change(replicas=2)
    assert not any(isinstance(one, Status) for one in life.plan().steps)


def test_paused_and_back_is_as_before() -> None:
    life = working(**EVERYTHING)
    before, children = life.conditions(), life.kinds()
    change(state="Paused")(life)
    life.settle()
    assert life.child(DEPLOYMENT)["spec"]["replicas"] == 0
    change(state="Running")(life)
    life.settle()
    comes_up(life)
    assert (life.conditions(), life.kinds()) == (before, children)


def test_the_finalizers_of_others_stay() -> None:
    life = working()
    assert life.resource is not None
    life.resource["metadata"]["finalizers"] = ["example.org/a", FINALIZER, "example.org/b"]
    change(deletionPolicy="Retain")(life)
    life.settle()
    assert life.resource["metadata"]["finalizers"] == ["example.org/a", "example.org/b"]
    change(deletionPolicy="Unregister")(life)
    life.settle()
    assert life.resource["metadata"]["finalizers"] == ["example.org/a", "example.org/b", FINALIZER]


@pytest.mark.parametrize("state", ["Disabled", "Unregistering", "Removing", "Paused"])
def test_a_registration_in_another_state_is_put_again(state: str) -> None:
    life = working()
    assert life.row is not None
    life.row = life.row._replace(state=state)
    assert told(life.settle()) == ["Register"]
    assert life.row.state == "Running"


def test_the_registration_of_the_resource_before_is_taken_over() -> None:
    life = working()
    assert life.row is not None
    life.row = life.row._replace(uid=objects.OTHER_UID)
    assert told(life.settle()) == ["Register"]
    assert life.row.uid == objects.UID


def test_reports_about_the_resource_before_say_nothing_about_this_one() -> None:
    life = working()
    assert life.row is not None
    life.refused = life.refuses = objects.CONFLICT
    life.row = life.row._replace(uid=objects.OTHER_UID)
    life.settle()
    assert life.conditions()["Authenticated"] == "Unknown NotReporting"
