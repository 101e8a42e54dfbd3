"""How many pods there are, and what is said where more were asked for than can have something to do."""

import copy
from typing import Any

import pytest
from tests.unit.operator.situations import Case, broken, change, check, comes_up, labelled, working
from tests.unit.operator.steps import told

from chat4all.log.port import outbound_topic
from chat4all_operator.children import PARTITIONS
from chat4all_operator.kinds import AUTOSCALER, DEPLOYMENT

CAPPED = {"Available": "True ReplicasCapped"}
SIZES = (
    Case("none", change(replicas=0), broken("Available", "NoReplicas"), "kubectl scale it to 1 or more"),
    Case("as many as partitions", change(replicas=6), {}),
    Case("more than partitions", change(replicas=9), CAPPED, "6 of 9 replicas run"),
    Case("autoscaling to as many", change(autoscaling={"maxReplicas": 6}), {}),
    Case("autoscaling to more", change(autoscaling={"maxReplicas": 20}), CAPPED, "maxReplicas 20 is cut to 6"),
    Case("more, and autoscaling to more", change(replicas=9, autoscaling={"maxReplicas": 20}), CAPPED, "6 of 9"),
)
BOUNDS = [
    ({"maxReplicas": 4}, (1, 4, 70)),
    ({"minReplicas": 2, "maxReplicas": 3, "targetCPUPercent": 50}, (2, 3, 50)),
    ({"maxReplicas": 50}, (1, 6, 70)),
    ({"minReplicas": 10, "maxReplicas": 50}, (6, 6, 70)),
]
STILL = {"selectPolicy": "Disabled"}


def test_more_pods_than_partitions_would_have_nothing_to_do() -> None:
    assert outbound_topic("shop.support").partitions == PARTITIONS


@labelled(SIZES)
def test_what_its_conditions_say(case: Case) -> None:
    life = working()
    case.happens(life)
    life.settle()
    comes_up(life)
    check(life, case)


@pytest.mark.parametrize(
    ("spec", "pods"),
    [
        ({}, 1),
        ({"replicas": 0}, 0),
        ({"replicas": 6}, 6),
        ({"replicas": 7}, 6),
        ({"replicas": 3, "state": "Paused"}, 0),
        # Left out of what is applied, replicas are 1 until the autoscaler has looked: its least holds meanwhile.
        ({"replicas": 1, "autoscaling": {"minReplicas": 3, "maxReplicas": 4}}, 3),
        ({"replicas": 4, "autoscaling": {"minReplicas": 3, "maxReplicas": 4}}, 4),
        ({"replicas": 1, "autoscaling": {"minReplicas": 9, "maxReplicas": 9}}, 6),
        ({"replicas": 0, "autoscaling": {"minReplicas": 3, "maxReplicas": 4}}, 0),
        ({"state": "Paused", "autoscaling": {"minReplicas": 3, "maxReplicas": 4}}, 0),
    ],
)
def test_how_many_pods_there_are(spec: dict[str, Any], pods: int) -> None:
    life = working()
    life.change(**spec)
    life.settle()
    assert life.child(DEPLOYMENT)["spec"]["replicas"] == pods


@pytest.mark.parametrize(
    ("spec", "others"),
    [
        ({}, set()),
        ({"replicas": 2}, {"PodDisruptionBudget"}),
        ({"autoscaling": {"maxReplicas": 3}}, {"HorizontalPodAutoscaler"}),
        ({"replicas": 2, "autoscaling": {"maxReplicas": 3}}, {"PodDisruptionBudget", "HorizontalPodAutoscaler"}),
        ({"replicas": 2, "autoscaling": {"maxReplicas": 3}, "state": "Paused"}, set()),
        ({"replicas": 0, "autoscaling": {"maxReplicas": 3}}, set()),
    ],
)
def test_which_children_depend_on_that(spec: dict[str, Any], others: set[str]) -> None:
    life = working(spec={"replicas": 2, "autoscaling": {"maxReplicas": 4}})
    life.change(**{"replicas": 1, "autoscaling": None, **spec})
    life.settle()
    assert life.kinds() == {"Deployment", *others}


@pytest.mark.parametrize(("autoscaling", "bounds"), BOUNDS)
def test_an_autoscaler_s_bounds(autoscaling: dict[str, int], bounds: tuple[int, int, int]) -> None:
    spec = working(spec={"autoscaling": autoscaling}).child(AUTOSCALER)["spec"]
    (metric,) = spec["metrics"]
    assert metric["resource"]["name"] == "cpu"
    percent = metric["resource"]["target"]["averageUtilization"]
    assert (spec["minReplicas"], spec["maxReplicas"], percent) == bounds
    assert spec["scaleTargetRef"] == {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "name": "support",
    }


def test_while_the_provider_makes_it_wait_it_is_scaled_neither_way() -> None:
    life = working(spec={"autoscaling": {"maxReplicas": 4}})
    life.limited_since = life.now
    life.pass_seconds(29)
    assert told(life.settle()) == []
    life.pass_seconds(1)
    assert told(life.settle()) == ["Apply HorizontalPodAutoscaler"]
    assert life.child(AUTOSCALER)["spec"]["behavior"] == {"scaleUp": STILL, "scaleDown": STILL}
    life.limited_since = None
    assert told(life.settle()) == ["Apply HorizontalPodAutoscaler"]
    assert STILL not in life.child(AUTOSCALER)["spec"]["behavior"].values()


def test_the_operator_never_writes_the_spec() -> None:
    life = working(spec={"autoscaling": {"maxReplicas": 4}, "replicas": 9})
    before = copy.deepcopy(life.observed().spec)
    life.limited_since = life.now
    life.pass_seconds(60)
    life.settle()
    assert life.observed().spec == before
    life.change(replicas=2)  # as the autoscaler does it
    life.settle()
    assert life.observed().spec["replicas"] == life.child(DEPLOYMENT)["spec"]["replicas"] == 2
