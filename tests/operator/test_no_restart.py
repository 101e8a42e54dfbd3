"""What may change without a pod noticing, what replaces pods, and how many connectors are replaced at once."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.operator.cluster import connector
from tests.operator.pods import tells
from tests.operator.processes import TEMPLATE, credentials, until
from tests.operator.stage import Stage, staged

MOST = 2  # connectors that are replaced at once
NAMES = [f"rolls-{number}" for number in range(5)]


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"), max_rolling=str(MOST))) as made:
        made.secret()
        yield made


def uids(stage: Stage, name: str) -> set[str]:
    return {one["metadata"]["uid"] for one in stage.pods(name)}


def replica_sets(stage: Stage, name: str) -> set[str]:
    uid = stage.get(name)["metadata"]["uid"]
    return {one["metadata"]["uid"] for one in stage.all("replicaset", labelSelector=f"chat4all.io/connector-uid={uid}")}


def taken_up(stage: Stage, name: str) -> None:
    """Wait until the newest spec is registered and applied, and nothing is left to do."""
    newest = stage.get(name)["metadata"]["generation"]
    until("its spec is seen", lambda: stage.get(name)["status"]["observedGeneration"] == newest)
    stage.resyncs(1)


CHANGES: dict[str, dict[str, Any]] = {
    "inbox": {"inbox": {"members": ["ana", "bruno"]}},
    "rateLimit": {"rateLimit": {"perSecond": 3}},
    "config": {"config": {"parseMode": "HTML"}},
    "the way that updates come": {"config": {"mode": "Polling"}},
    "senderLabel": {"senderLabel": "Never"},
    "deletionPolicy": {"deletionPolicy": "Retain"},
    "autoscaling": {"autoscaling": {"maxReplicas": 4}},
    "fewer of autoscaling": {"autoscaling": None},
}


def test_no_pod_is_replaced_because_of_its_spec_or_its_secret(stage: Stage) -> None:
    uid = stage.create(connector("stays"))
    stage.runs("stays")
    tells(stage.hub, uid)
    stage.becomes("stays", "Ready", "True", "Ready")
    pods, sets = uids(stage, "stays"), replica_sets(stage, "stays")
    assert (len(pods), len(sets)) == (1, 1)
    for what, change in CHANGES.items():
        stage.patch("channelconnector", "stays", {"spec": change})
        taken_up(stage, "stays")
        assert uids(stage, "stays") == pods, f"{what} has replaced a pod"
    other = credentials(botToken="654321:ihgfedcbazyxwvutsrqponmlkjihgfedcba")
    stage.patch("secret", "keys", {"stringData": other["stringData"]})
    stage.resyncs()
    assert uids(stage, "stays") == pods, "the Secret has replaced a pod"
    stage.patch("channelconnector", "stays", {"spec": {"replicas": 3}})
    until("two pods come to it", lambda: len(uids(stage, "stays")) == 3)
    assert pods < uids(stage, "stays")
    stage.patch("channelconnector", "stays", {"spec": {"state": "Paused"}})
    until("they go", lambda: not uids(stage, "stays"))
    stage.patch("channelconnector", "stays", {"spec": {"state": "Running"}})
    until("they come back", lambda: len(uids(stage, "stays")) == 3)
    assert replica_sets(stage, "stays") == sets, "all of them were made from one and the same template"


def with_template(stage: Stage, change: Any) -> None:
    """Start the operator anew with another pod for connectors, as an upgrade of the chart does."""
    template = copy.deepcopy(dict(TEMPLATE))
    change(template)
    stage.operator.process.kill()
    Path(stage.folder / "template.yaml").write_text(yaml.safe_dump(template))
    stage.operator.start()


def image(stage: Stage, name: str) -> str:
    found: str = stage.child("deployment", name)["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def test_a_new_template_replaces_at_most_so_many_connectors_at_once(stage: Stage) -> None:
    stage.delete("stays")  # it is of the test before
    for name in NAMES:
        stage.create(connector(name))
    for name in NAMES:
        stage.runs(name)
    stage.create(connector("sleeps", state="Paused"))
    until("it is settled", lambda: stage.child("deployment", "sleeps"))
    stage.rests()

    def change(template: dict[str, Any]) -> None:
        template["spec"]["containers"][0]["image"] = "localhost/chat4all:next"

    with_template(stage, change)

    def begun() -> list[str]:
        return [name for name in NAMES if image(stage, name) == "localhost/chat4all:next"]

    until("the first ones are being replaced", lambda: begun() if len(begun()) == MOST else None)
    stage.resyncs(3)
    assert len(begun()) == MOST, "the others wait until these are well"
    stage.operator.process.kill()
    stage.operator.start()
    stage.resyncs(3)
    assert len(begun()) == MOST, "a new operator goes on where the one before it was"
    assert image(stage, "sleeps") == "localhost/chat4all:next", "who has no pods waits for nobody"
    # One that has to wait is scaled all the same, and keeps the pods that it has.
    waiting = next(name for name in NAMES if name not in begun())
    pods = uids(stage, waiting)
    stage.patch("channelconnector", waiting, {"spec": {"replicas": 2}})
    until("it is scaled", lambda: len(uids(stage, waiting)) == 2)
    assert pods < uids(stage, waiting)
    assert image(stage, waiting) == "localhost/chat4all:dev"

    def all_are_well() -> bool:
        for name in begun():
            stage.run(name)
        rolling = [name for name in begun() if not is_well(stage, name)]
        assert len(rolling) <= MOST
        return len(begun()) == len(NAMES) and not rolling

    until("all are replaced, some at a time", all_are_well)
    stage.rests()


def is_well(stage: Stage, name: str) -> bool:
    """Whether a Deployment has no pods but new ones that are ready."""
    found = stage.child("deployment", name)
    status, wanted = found["status"], found["spec"]["replicas"]
    counts = {status.get(one, 0) for one in ("replicas", "updatedReplicas", "availableReplicas")}
    return status["observedGeneration"] == found["metadata"]["generation"] and counts == {wanted}


def test_a_field_that_is_applied_no_longer_disappears(stage: Stage) -> None:
    def more(template: dict[str, Any]) -> None:
        template["metadata"]["annotations"] = {"example.org/scrape": "yes"}
        template["spec"]["nodeSelector"] = {"disk": "fast"}
        template["spec"]["containers"][0]["env"].append({"name": "EXTRA", "value": "1"})

    def pod() -> dict[str, Any]:
        found: dict[str, Any] = stage.child("deployment", "sleeps")["spec"]["template"]
        return found

    with_template(stage, more)
    until("they are there", lambda: pod()["spec"].get("nodeSelector"))
    foreign = {"spec": {"template": {"metadata": {"annotations": {"example.org/of-others": "stays"}}}}}
    stage.patch("deployment", "connector-sleeps", foreign)
    with_template(stage, lambda template: None)
    until("they are gone", lambda: "nodeSelector" not in pod()["spec"])
    assert pod()["metadata"]["annotations"] == {"example.org/of-others": "stays"}
    names = [one["name"] for one in pod()["spec"]["containers"][0]["env"]]
    assert names == ["CHAT4ALL_CHANNELS__CREDENTIALS_DIR", "CHAT4ALL_CHANNELS__UID"]
