"""The objects that a connector consists of: which there are, whose they are, and what stands in them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hack.node import programs
from tests.operator.cluster import connector, define
from tests.operator.processes import PUBLIC_URL, TEMPLATE, until
from tests.operator.stage import Stage, staged

KINDS = ("deployment", "service", "ingress", "poddisruptionbudget", "horizontalpodautoscaler")


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        yield made


def there(stage: Stage, name: str) -> set[str]:
    return {kind for kind in KINDS if stage.child(kind, name)}


def has(stage: Stage, name: str, *kinds: str) -> None:
    until(f"{name} has {kinds}", lambda: there(stage, name) == set(kinds))
    stage.resyncs()
    assert there(stage, name) == set(kinds)


def set_spec(stage: Stage, name: str, **spec: Any) -> None:
    stage.patch("channelconnector", name, {"spec": spec})


def test_it_has_what_its_spec_needs_and_nothing_more(stage: Stage) -> None:
    stage.create(connector("polls", config={"mode": "Polling"}))
    has(stage, "polls", "deployment")
    set_spec(stage, "polls", config={"mode": "Webhook"}, replicas=2, autoscaling={"maxReplicas": 4})
    has(stage, "polls", *KINDS)
    set_spec(stage, "polls", config={"mode": "Polling"}, replicas=1, autoscaling=None)
    has(stage, "polls", "deployment")


def test_every_child_is_owned_by_it_labelled_with_it_and_applied_server_side(stage: Stage) -> None:
    uid = stage.create(connector("owner", replicas=2, autoscaling={"maxReplicas": 4}))
    has(stage, "owner", *KINDS)
    for kind in KINDS:
        metadata = stage.child(kind, "owner")["metadata"]
        owner = {"apiVersion": "chat4all.io/v1alpha1", "kind": "ChannelConnector", "name": "owner", "uid": uid}
        assert metadata["ownerReferences"] == [{**owner, "controller": True, "blockOwnerDeletion": False}]
        assert metadata["labels"]["chat4all.io/connector-uid"] == uid
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "chat4all-operator"
        ours = [one for one in metadata["managedFields"] if one["manager"] == "chat4all-operator"]
        assert [one["operation"] for one in ours] == ["Apply"]
    stage.delete("owner")
    until("they go with it", lambda: not there(stage, "owner"))


def test_its_pod_is_the_charts_and_only_uid_credentials_and_labels_come_to_it(stage: Stage) -> None:
    uid = stage.create(connector("pod", replicas=3, rateLimit={"perSecond": 7}, inbox={"members": ["bruno"]}))
    until("its pods are made", lambda: stage.child("deployment", "pod"))
    spec = stage.child("deployment", "pod")["spec"]
    given = TEMPLATE["spec"]["containers"][0]
    [made] = spec["template"]["spec"]["containers"]
    assert made["env"] == [*given["env"], {"name": "CHAT4ALL_CHANNELS__UID", "value": uid}]
    assert made["volumeMounts"] == [{"name": "credentials", "mountPath": "/credentials", "readOnly": True}]
    assert spec["template"]["spec"]["volumes"] == [
        {"name": "credentials", "secret": {"secretName": "keys", "optional": True, "defaultMode": 0o440}}
    ]
    for field in ("name", "image", "args"):
        assert made[field] == given[field]
    assert made["resources"] == {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    labels = spec["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "chat4all"
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert spec["selector"]["matchLabels"]["chat4all.io/connector-uid"] == uid
    assert spec["replicas"] == 3
    told = json.dumps(spec["template"])
    for part in ("perSecond", "bruno"):
        assert part not in told


def test_providers_are_led_to_its_own_path_and_status_says_which(stage: Stage) -> None:
    uid = stage.create(connector("hooked"))
    has(stage, "hooked", "deployment", "service", "ingress")
    path = f"/hooks/telegram/{uid}"
    [rule] = stage.child("ingress", "hooked")["spec"]["rules"]
    [route] = rule["http"]["paths"]
    assert (route["path"], route["pathType"]) == (path, "Exact")
    assert route["backend"] == {"service": {"name": "connector-hooked", "port": {"name": "hooks"}}}
    assert stage.child("ingress", "hooked")["spec"]["ingressClassName"] == "contour"
    service = stage.child("service", "hooked")["spec"]
    assert service["selector"] == stage.child("deployment", "hooked")["spec"]["selector"]["matchLabels"]
    assert service["ports"][0]["targetPort"] == "hooks"
    until("status says where", lambda: stage.get("hooked")["status"].get("endpoint") == f"{PUBLIC_URL}{path}")


@pytest.mark.parametrize("change", [{"replicas": 0}, {"state": "Paused"}], ids=["no replicas", "paused"])
def test_without_pods_its_path_stays_its_own_so_that_nobody_else_answers_there(
    stage: Stage, change: dict[str, Any]
) -> None:
    name = f"alone-{len(str(change))}"
    stage.create(connector(name))
    has(stage, name, "deployment", "service", "ingress")
    set_spec(stage, name, **change)
    until("it has no pods", lambda: stage.child("deployment", name)["spec"]["replicas"] == 0)
    has(stage, name, "deployment", "service", "ingress")


def test_more_replicas_than_partitions_are_capped_and_that_is_said(stage: Stage) -> None:
    stage.create(connector("many", replicas=9))
    until("its pods are made", lambda: stage.child("deployment", "many"))
    assert stage.child("deployment", "many")["spec"]["replicas"] == 6
    assert stage.get("many")["spec"]["replicas"] == 9, "what a person wants is not written over"
    ready(stage, "many", 6)
    found = stage.becomes("many", "Available", "True", "ReplicasCapped")
    assert "6 of 9" in found["message"]
    assert "partitions" in found["message"]


def test_a_drain_may_take_away_one_pod_of_it_at_a_time(stage: Stage) -> None:
    stage.create(connector("drained", replicas=2))
    has(stage, "drained", "deployment", "service", "ingress", "poddisruptionbudget")
    budget = stage.child("poddisruptionbudget", "drained")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == stage.child("deployment", "drained")["spec"]["selector"]
    set_spec(stage, "drained", state="Paused")
    has(stage, "drained", "deployment", "service", "ingress")


def test_a_gateways_route_leads_to_it_where_the_chart_has_one(namespaces, hub, tmp_path) -> None:
    namespace = namespaces()
    [definition] = [one for one in programs.gateway_api() if one.name.endswith("_httproutes.yaml")]
    define(namespace.control_plane, definition)
    route = {"parentRefs": [{"name": "front"}], "hostnames": ["hub.example.org"], "annotations": {"a": "b"}}
    made = Stage(namespace, hub, tmp_path, hooks=json.dumps({"public_url": PUBLIC_URL, "http_route": route}))
    namespace.kubectl("create", "role", "routes", "--verb=list,create,patch,delete", "--resource=httproutes")
    account = f"{namespace.name}:c4a-chat4all-operator"
    namespace.kubectl("create", "rolebinding", "routes", "--role=routes", f"--serviceaccount={account}")
    with staged(made) as stage:
        stage.secret()
        uid = stage.create(connector())
        found = until("its route is made", lambda: stage.child("httproute"))
        assert found["spec"]["parentRefs"][0]["name"] == "front"
        assert found["spec"]["hostnames"] == ["hub.example.org"]
        [rule] = found["spec"]["rules"]
        assert rule["matches"][0]["path"] == {"type": "Exact", "value": f"/hooks/telegram/{uid}"}
        assert rule["backendRefs"][0]["name"] == "connector-support"
        assert stage.child("ingress") is None
        stage.rests()
        stage.patch("httproute", "connector-support", {"spec": {"hostnames": ["elsewhere.example.org"]}})
        until("it is repaired", lambda: stage.child("httproute")["spec"]["hostnames"] == ["hub.example.org"])
        set_spec(stage, "support", config={"mode": "Polling"})
        until("it goes", lambda: stage.child("httproute") is None)


def ready(stage: Stage, name: str, pods: int) -> None:
    stage.runs(name, pods)
