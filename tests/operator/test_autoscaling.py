"""Autoscaling: a HorizontalPodAutoscaler whose target is the connector itself, and when there is none."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.operator.cluster import connector
from tests.operator.pods import tells
from tests.operator.processes import until
from tests.operator.stage import Stage, staged


class Scene(NamedTuple):
    """A stage on which the provider makes the connector `slow` wait since a time; `uid`: its."""

    stage: Stage
    uid: str
    since: float


@pytest.fixture(scope="module")
def scene(namespaces, hub, tmp_path_factory) -> Iterator[Scene]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as stage:
        stage.secret()
        uid = stage.create(connector("slow", autoscaling={"maxReplicas": 4}))
        until("its autoscaler is made", lambda: stage.child("horizontalpodautoscaler", "slow"))
        made = Scene(stage, uid, time.time())
        is_limited(made)  # which is said only after half a minute without interruption
        yield made


@pytest.fixture
def stage(scene: Scene) -> Stage:
    return scene.stage


def is_limited(scene: Scene) -> None:
    until_then = int((time.time() + 3600) * 1000)
    tells(scene.stage.hub, scene.uid, rate_limited_until=until_then, reason="RateLimited", sentence="429 from it.")


def autoscaler(stage: Stage, name: str) -> dict[str, Any]:
    found = until(f"{name} has an autoscaler", lambda: stage.child("horizontalpodautoscaler", name))
    spec: dict[str, Any] = found["spec"]
    return spec


def target(percent: int) -> list[dict[str, Any]]:
    usage = {"type": "Utilization", "averageUtilization": percent}
    return [{"type": "Resource", "resource": {"name": "cpu", "target": usage}}]


def test_its_target_is_the_connectors_own_scale_and_the_defaults_are_as_documented(stage: Stage) -> None:
    stage.create(connector("usual", autoscaling={"maxReplicas": 4}))
    spec = autoscaler(stage, "usual")
    about = {"apiVersion": "chat4all.io/v1alpha1", "kind": "ChannelConnector", "name": "usual"}
    assert spec["scaleTargetRef"] == about
    assert (spec["minReplicas"], spec["maxReplicas"], spec["metrics"]) == (1, 4, target(70))


def test_what_the_spec_asks_for_is_in_it_and_follows_it(stage: Stage) -> None:
    stage.create(connector("asked", autoscaling={"minReplicas": 2, "maxReplicas": 3, "targetCPUPercent": 55}))
    spec = autoscaler(stage, "asked")
    assert (spec["minReplicas"], spec["maxReplicas"], spec["metrics"]) == (2, 3, target(55))
    stage.patch("channelconnector", "asked", {"spec": {"autoscaling": {"maxReplicas": 5, "targetCPUPercent": None}}})
    until("it follows", lambda: autoscaler(stage, "asked")["maxReplicas"] == 5)
    assert autoscaler(stage, "asked")["metrics"] == target(70)
    stage.patch("channelconnector", "asked", {"spec": {"autoscaling": None}})
    until("it goes", lambda: stage.child("horizontalpodautoscaler", "asked") is None)


def test_more_than_there_are_partitions_is_capped_and_that_is_said(stage: Stage) -> None:
    stage.create(connector("many", autoscaling={"minReplicas": 1, "maxReplicas": 20}))
    assert autoscaler(stage, "many")["maxReplicas"] == 6
    assert stage.get("many")["spec"]["autoscaling"]["maxReplicas"] == 20
    stage.runs("many")
    found = stage.becomes("many", "Available", "True", "ReplicasCapped")
    assert "maxReplicas" in found["message"]
    assert "6" in found["message"]


@pytest.mark.parametrize("change", [{"state": "Paused"}, {"replicas": 0}], ids=["paused", "no replicas"])
def test_there_is_none_where_nothing_is_to_run_and_it_comes_back(stage: Stage, change: dict[str, Any]) -> None:
    name = f"stands-{next(iter(change))}"
    stage.create(connector(name, autoscaling={"maxReplicas": 3}))
    autoscaler(stage, name)
    stage.patch("channelconnector", name, {"spec": change})
    until("it goes", lambda: stage.child("horizontalpodautoscaler", name) is None)
    stage.patch("channelconnector", name, {"spec": {"state": "Running", "replicas": 1}})
    autoscaler(stage, name)


def test_kubernetes_scales_the_connector_and_an_unchanged_example_does_not_take_it_back(stage: Stage) -> None:
    example = json.dumps(connector("scaled", autoscaling={"minReplicas": 2, "maxReplicas": 4}))
    stage.namespace.kubectl("apply", "--filename=-", given=example)
    # The controller needs no measurements for the least number of pods: it writes the connector's scale.
    until("it is scaled", lambda: stage.get("scaled")["spec"]["replicas"] == 2)
    stage.runs("scaled", 2)
    stage.namespace.kubectl("scale", "chconn/scaled", "--replicas=3")
    stage.runs("scaled", 3)
    stage.namespace.kubectl("apply", "--filename=-", given=example)
    stage.rests()
    assert stage.get("scaled")["spec"]["replicas"] == 3
    assert stage.child("deployment", "scaled")["spec"]["replicas"] == 3
    until("all are counted", lambda: stage.get("scaled")["status"]["replicas"] == 3)
    scale = json.loads(stage.namespace.kubectl("get", "--raw", f"{stage.namespace.path}/scaled/scale"))
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (3, 3)
    labels = stage.child("deployment", "scaled")["spec"]["selector"]["matchLabels"]
    assert dict(part.split("=") for part in scale["status"]["selector"].split(",")) == labels


def test_the_operator_writes_finalizers_and_status_and_nothing_else_of_a_connector(stage: Stage) -> None:
    written = [
        (one.get("subresource", ""), one["fieldsV1"])
        for found in stage.all("channelconnector")
        for one in found["metadata"]["managedFields"]
        if one["manager"] == "chat4all-operator"
    ]
    assert written
    for part, fields in written:
        assert fields.keys() == {"f:status" if part else "f:metadata"}
        assert part or fields["f:metadata"].keys() == {"f:finalizers"}


def test_a_connector_that_its_provider_makes_wait_gets_no_more_pods_and_loses_none(scene: Scene) -> None:
    stage = scene.stage

    def it_is() -> bool:
        is_limited(scene)  # a report counts for 90 s
        return bool(stage.condition("slow", "RateLimited")["status"] == "True")

    until("it is said", it_is)
    said = dt.datetime.fromisoformat(stage.condition("slow", "RateLimited")["lastTransitionTime"])
    assert said.timestamp() >= scene.since + 29, "half a minute, in whole seconds"
    until("nothing is scaled", lambda: policies(stage) == {"Disabled"})
    stage.resyncs()
    tells(stage.hub, scene.uid)
    stage.becomes("slow", "RateLimited", "False", "NotLimited")
    until("it is scaled again", lambda: policies(stage) == {"Max"})


def policies(stage: Stage) -> set[str]:
    """What the autoscaler of `slow` may do, upwards and downwards."""
    ways = autoscaler(stage, "slow")["behavior"]
    return {ways[way]["selectPolicy"] for way in ("scaleUp", "scaleDown")}
