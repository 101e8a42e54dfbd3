"""A changed pod template replaces connectors a few at a time: what one does while it waits, and who may begin."""

from typing import Any

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.situations import working
from tests.unit.operator.steps import told

from chat4all_operator.children import child_name
from chat4all_operator.kinds import CONNECTOR, DEPLOYMENT, TEMPLATE
from chat4all_operator.plan import Apply, Plan
from chat4all_operator.rollout import Rollout, is_rolling
from chat4all_operator.seen import Seen

NEWER = objects.template(image="registry.example/chat4all:1.3")


def with_newer_template(*, may_roll: bool, **given: Any) -> Life:
    life = working(**given)
    life.world = Life(template=NEWER).world
    life.may_roll = may_roll
    return life


def image(life: Life) -> str:
    return str(life.child(DEPLOYMENT)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_it_is_applied_when_it_may_be() -> None:
    life = with_newer_template(may_roll=True)
    assert told(life.settle()) == ["Apply Deployment"]
    assert image(life).endswith(":1.3")


def test_it_waits_while_others_are_replaced() -> None:
    life = with_newer_template(may_roll=False)
    assert life.settle() == []
    again = life.plan().again_seconds
    assert again is not None
    assert again <= 5
    life.may_roll = True
    assert told(life.settle()) == ["Apply Deployment"]


def test_meanwhile_it_can_be_scaled() -> None:
    life = with_newer_template(may_roll=False)
    life.change(replicas=3)
    assert told(life.settle()) == ["Register", "Scale Deployment to 3", "Apply PodDisruptionBudget"]
    assert image(life).endswith(":1.2")


def test_one_without_pods_waits_for_nobody() -> None:
    life = with_newer_template(may_roll=False)
    life.change(state="Paused")
    assert told(life.settle()) == ["Register", "Scale Deployment to 0", "Apply Deployment"]
    assert image(life).endswith(":1.3")


def test_a_new_connector_waits_for_nobody() -> None:
    life = Life()
    life.may_roll = False
    life.settle()
    assert life.kinds() == {"Deployment"}


# -- who may begin


class Connectors:
    """Some of them, whose Deployments are as the API server last said."""

    def __init__(self, most: int, count: int = 5) -> None:
        self.seen = Seen()
        self.rollout = Rollout(self.seen, most)
        self._version = 0
        for number in range(count):
            self.is_now(f"c{number}", "old", settled=True)

    def is_now(self, name: str, template: str, *, settled: bool, **condition: str) -> None:
        """Its Deployment has this pod, and all of its replicas or not."""
        self._version += 1
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1 if settled else 0)
        status = {**counts, "observedGeneration": 1, "conditions": [condition] if condition else []}
        metadata = {"name": child_name(name), "generation": 1, "resourceVersion": str(self._version)}
        metadata["annotations"] = {TEMPLATE: template}
        self.seen.put(DEPLOYMENT, {"metadata": metadata, "spec": {"replicas": 1}, "status": status})

    def decide(self, name: str) -> bool:
        """What a look at a connector decides: whether its pods are replaced now."""
        may = self.rollout.may_begin(name)
        manifest = {"metadata": {"annotations": {TEMPLATE: "new"}}}
        self.rollout.note(name, Plan((Apply(DEPLOYMENT, manifest),) if may else ()))
        return may


def test_no_more_than_so_many_begin_before_the_first_is_answered() -> None:
    them = Connectors(most=2)
    assert [them.decide(f"c{number}") for number in range(5)] == [True, True, False, False, False]


def test_the_next_begins_when_one_is_through() -> None:
    them = Connectors(most=1)
    assert [them.decide("c0"), them.decide("c1")] == [True, False]
    them.is_now("c0", "new", settled=False)
    assert not them.decide("c1")
    them.is_now("c0", "new", settled=True)
    assert them.decide("c1")


def test_one_that_has_begun_may_go_on() -> None:
    them = Connectors(most=1)
    assert [them.decide("c0"), them.decide("c0")] == [True, True]


def test_one_that_the_deployment_has_given_up_gives_its_place_back() -> None:
    them = Connectors(most=1)
    them.decide("c0")
    them.is_now("c0", "new", settled=False, type="Progressing", reason="ProgressDeadlineExceeded")
    assert them.decide("c1")


def test_an_operator_that_begins_anew_counts_those_that_were_begun() -> None:
    them = Connectors(most=1)
    them.is_now("c0", "new", settled=False)
    half = them.seen.get(DEPLOYMENT, child_name("c0"))
    assert half is not None
    half["status"].update(replicas=2, updatedReplicas=1)
    assert not them.decide("c1")
    them.is_now("c0", "new", settled=True)
    assert them.decide("c1")


def test_new_connectors_whose_first_pods_start_take_no_place() -> None:
    them = Connectors(most=1)
    them.is_now("c0", "new", settled=False)
    assert them.decide("c1")


def test_one_that_is_gone_gives_its_place_back() -> None:
    them = Connectors(most=1)
    them.decide("c0")
    them.seen.remove(DEPLOYMENT, child_name("c0"))
    assert them.decide("c1")


def test_one_that_is_not_replaced_after_all_gives_its_place_back() -> None:
    them = Connectors(most=1)
    them.decide("c0")  # and the write fails, and then its spec is nonsense
    them.rollout.note("c0", Plan())
    assert them.decide("c1")


def test_what_changes_no_pod_takes_no_place() -> None:
    them = Connectors(most=1)
    manifest = {"metadata": {"annotations": {TEMPLATE: "old"}}}
    them.rollout.note("c0", Plan((Apply(DEPLOYMENT, manifest), Apply(CONNECTOR, manifest))))
    assert them.decide("c1")


@pytest.mark.parametrize(
    ("status", "rolling"),
    [
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, False),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 1}, True),
        ({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2, "observedGeneration": 2}, True),
        ({"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2, "observedGeneration": 2}, True),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1, "observedGeneration": 2}, True),
        ({}, True),
    ],
)
def test_whether_a_deployment_is_replacing_pods(status: dict[str, int], rolling: bool) -> None:
    assert is_rolling({"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}) is rolling
