"""At rest: nothing is written, no time moves, and what is said stays as it is until something happens."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operator.cluster import connector
from tests.operator.pods import tells
from tests.operator.processes import until
from tests.operator.stage import Stage, staged

ALL: dict[str, dict[str, Any]] = {
    "support": {"config": {"mode": "Polling"}, "replicas": 2},
    "hooked": {},
    "scaled": {"autoscaling": {"maxReplicas": 9}},
    "paused": {"state": "Paused"},
    "retained": {"deletionPolicy": "Retain"},
    "many": {"replicas": 9},
    "unready": {"credentialsSecretRef": {"name": "not-there"}},
    "refused": {"config": {"mode": "Carrier"}},
    "unknown": {"channel": "sms"},
}


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        for name, spec in ALL.items():
            made.create(connector(name, **spec))
        for name, pods in {"support": 2, "hooked": 1, "scaled": 1, "retained": 1, "many": 6}.items():
            made.runs(name, pods)
        report(made)
        made.becomes("support", "Ready", "True", "Ready")
        made.rests()
        yield made


def report(stage: Stage) -> None:
    """Two pods of a connector that polls: one receives, the other one only sends."""
    uid = stage.get("support")["metadata"]["uid"]
    tells(stage.hub, uid, "pod-0")
    tells(stage.hub, uid, "pod-1", role="sends", registered=None)


def everything(stage: Stage) -> list[str]:
    """Every object of the namespace in its version, but for leases and what is told by events."""
    kinds = ("channelconnector", "deployment", "service", "ingress", "poddisruptionbudget")
    found = [one["metadata"] | {"kind": kind} for kind in kinds for one in stage.all(kind)]
    return [f"{one['kind']} {one['name']} {one['resourceVersion']}" for one in found]


def events(stage: Stage) -> int:
    """How much the operator has told."""
    return len([one for one in stage.all("event") if one["reportingComponent"] == "chat4all-operator"])


def moved(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The conditions whose time is another one."""
    return {kind for kind in before.keys() | after.keys() if since(before, kind) != since(after, kind)}


def since(told: dict[str, Any], kind: str) -> str:
    return str(told.get(kind, {}).get("lastTransitionTime"))


def told(stage: Stage, name: str) -> dict[str, Any]:
    return {one["type"]: one for one in stage.get(name)["status"]["conditions"]}


def test_a_second_look_at_everything_writes_nothing(stage: Stage) -> None:
    before = everything(stage), stage.operator.writes(), events(stage)
    stage.resyncs(4)
    report(stage)  # which pods do again and again
    stage.resyncs(2)
    assert (everything(stage), stage.operator.writes(), events(stage)) == before


def test_a_new_operator_that_finds_all_as_it_is_to_be_writes_nothing(stage: Stage) -> None:
    before = everything(stage)
    stage.operator.process.kill()
    stage.operator.start()
    stage.resyncs(3)
    assert stage.operator.writes() == 0
    assert everything(stage) == before


def test_two_pods_that_poll_move_no_time_and_a_change_of_pods_neither(stage: Stage) -> None:
    before = told(stage, "support")
    uid = stage.get("support")["metadata"]["uid"]
    for turn in range(4):  # the lease to poll goes from pod to pod
        tells(stage.hub, uid, f"pod-{turn % 2}")
        tells(stage.hub, uid, f"pod-{(turn + 1) % 2}", role="sends", registered=None)
        stage.resyncs(1)
    assert moved(before, told(stage, "support")) == set()


def test_a_time_moves_only_when_its_status_does(stage: Stage) -> None:
    before = told(stage, "support")
    stage.patch("channelconnector", "support", {"spec": {"rateLimit": {"perSecond": 9}}})
    newest = stage.get("support")["metadata"]["generation"]
    until("the new spec is seen", lambda: stage.get("support")["status"]["observedGeneration"] == newest)
    stage.becomes("support", "Ready", "True", "Ready")
    after = told(stage, "support")
    assert {one["observedGeneration"] for one in after.values()} == {newest}
    assert moved(before, after) == set(), "a new generation is no change of status"

    uid = stage.get("support")["metadata"]["uid"]
    tells(stage.hub, uid, "pod-1", authenticated=False, reason="TokenRefused", sentence="Unauthorized.")
    stage.becomes("support", "Authenticated", "False", "TokenRefused")
    assert moved(after, told(stage, "support")) <= {"Authenticated", "Ready", "Stalled"}
    refused = told(stage, "support")
    tells(stage.hub, uid, "pod-1", authenticated=False, reason="OtherAccount", sentence="Of another account.")
    stage.becomes("support", "Ready", "False", "OtherAccount")
    assert moved(refused, told(stage, "support")) <= {"Registered"}, "another reason is no change of status"


def test_what_is_refused_says_so_once(stage: Stage) -> None:
    stage.resyncs()
    for name in ("unready", "refused", "unknown"):
        assert len([one for one in stage.events(name) if one[0] == "Warning"]) == 1, json.dumps(stage.events(name))


def test_the_worst_of_fresh_pods_counts_and_an_old_word_says_nothing(stage: Stage) -> None:
    uid = stage.get("hooked")["metadata"]["uid"]
    tells(stage.hub, uid, "pod-0", ago=100)
    stage.becomes("hooked", "Authenticated", "Unknown", "NotReporting")
    stage.becomes("hooked", "Ready", "Unknown", "NotReporting")
    tells(stage.hub, uid, "pod-0")
    stage.becomes("hooked", "Ready", "True", "Ready")
    tells(stage.hub, uid, "pod-1", role="sends", registered=None, authenticated=False, reason="TokenRefused")
    stage.becomes("hooked", "Authenticated", "False", "TokenRefused")
    stage.becomes("hooked", "Registered", "True", "Registered")
    tells(stage.hub, uid, "pod-1", role="sends", registered=None, reason="Connected")
    stage.becomes("hooked", "Ready", "True", "Ready")
