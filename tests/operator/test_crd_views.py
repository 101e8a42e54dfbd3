"""ChannelConnectors as a person works with them: kubectl get, explain, scale, and what cannot be changed."""

import json
import re

import pytest
from hack.node.control_plane import ControlPlane, KubectlError
from tests.operator.cluster import Namespace, connector

STATUS = {
    "account": "@support_bot",
    "endpoint": "https://chat.example.org/hooks/telegram/1",
    "replicas": 2,
    "selector": "app=support",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Connected",
            "message": "Messages flow.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
}


def told(namespace: Namespace, status: object) -> None:
    """Have the connector called support say this in its status."""
    patch = json.dumps({"status": status})
    namespace.kubectl("patch", "chconn", "support", "--subresource=status", "--type=merge", "--patch", patch)


def cells(table: str) -> list[list[str]]:
    """The rows of what kubectl get prints, its head first."""
    return [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]


def test_get_shows_whether_it_is_ready_and_whose_it_is(namespace: Namespace) -> None:
    namespace.create(connector(replicas=2))
    head, row = cells(namespace.kubectl("get", "chconn"))
    assert head == ["NAME", "READY", "CHANNEL", "REPLICAS", "ACCOUNT", "AGE"]
    assert row[:4] == ["support", "Unknown", "telegram", "2"]
    told(namespace, STATUS)
    _, row = cells(namespace.kubectl("get", "chat4all"))
    assert row[:5] == ["support", "True", "telegram", "2", "@support_bot"]


def test_get_wide_shows_why(namespace: Namespace) -> None:
    namespace.create(connector())
    told(namespace, STATUS)
    head, row = cells(namespace.kubectl("get", "channelconnectors", "--output=wide"))
    assert head == ["NAME", "READY", "CHANNEL", "REPLICAS", "ACCOUNT", "AGE", "REASON", "MESSAGE", "ENDPOINT"]
    assert row[6:] == ["Connected", "Messages flow.", "https://chat.example.org/hooks/telegram/1"]


def test_it_is_found_by_channel_and_state(namespace: Namespace) -> None:
    namespace.create(connector("one", state="Paused"))
    namespace.create(connector("two", channel="pigeon"))

    def found(selector: str) -> list[str]:
        return [one["metadata"]["name"] for one in namespace.get("chconn", f"--field-selector={selector}")]

    assert found("spec.state=Paused") == ["one"]
    assert found("spec.channel=pigeon,spec.state=Running") == ["two"]
    assert found("spec.channel=telegram,spec.state=Running") == []


def test_it_is_scaled_by_its_own_subresource(namespace: Namespace, control_plane: ControlPlane) -> None:
    namespace.create(connector())
    told(namespace, STATUS)
    namespace.kubectl("scale", "chconn/support", "--replicas=3")
    assert namespace.get("chconn", "support")["spec"]["replicas"] == 3
    scale = json.loads(control_plane.kubectl("get", "--raw", f"{namespace.path}/support/scale"))
    assert scale["spec"] == {"replicas": 3}
    assert scale["status"] == {"replicas": 2, "selector": "app=support"}
    namespace.kubectl("scale", "chconn/support", "--replicas=0")
    with pytest.raises(KubectlError, match=r"spec\.replicas in body should be less than or equal to 100"):
        namespace.kubectl("scale", "chconn/support", "--replicas=101")
    assert namespace.get("chconn", "support")["spec"]["replicas"] == 0


def test_replicas_that_an_applied_resource_leaves_out_stay_what_a_scaler_made_them(namespace: Namespace) -> None:
    given = json.dumps(connector(autoscaling={"maxReplicas": 4}))
    for _ in range(2):
        namespace.kubectl("apply", "--server-side", "--filename=-", given=given)
        namespace.kubectl("scale", "chconn/support", "--replicas=3")
    namespace.kubectl("apply", "--server-side", "--filename=-", given=given)
    assert namespace.get("chconn", "support")["spec"]["replicas"] == 3


def test_its_channel_stays(namespace: Namespace) -> None:
    namespace.create(connector())
    patch = ("patch", "chconn", "support", "--type=merge", "--patch")
    with pytest.raises(
        KubectlError, match=r"spec\.channel: Forbidden: the channel of a connector cannot be changed; make another"
    ):
        namespace.kubectl(*patch, '{"spec": {"channel": "pigeon"}}')
    namespace.kubectl(*patch, '{"spec": {"channel": "telegram", "state": "Paused", "config": {"mode": "Polling"}}}')
    assert namespace.get("chconn", "support")["spec"]["state"] == "Paused"


EXPLAINED = [
    ("chconn", "is an account on a channel, such as a bot, whose messages become conversations"),
    ("chconn.spec.config", "settings, at most 32 of them and 16 KiB as JSON. Each channel has others"),
    ("chconn.spec.replicas", "at most as many as the log has partitions"),
    ("chconn.spec.state", "ENUM: Running Paused DESCRIPTION: Whether it runs."),
    ("chconn.spec.autoscaling.targetCPUPercent", "in percent of what they request"),
    ("chconn.status.conditions.reason", "in one word of capitalised parts"),
]


@pytest.mark.parametrize(("field", "sentence"), EXPLAINED, ids=[one[0] for one in EXPLAINED])
def test_explain_says_what_it_is(control_plane: ControlPlane, field: str, sentence: str) -> None:
    assert sentence in " ".join(control_plane.kubectl("explain", field).split())
