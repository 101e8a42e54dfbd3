"""What cannot be worked with: a condition with a reason and the next step, an event, and no pod; mended, it works."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from tests.operator.cluster import connector
from tests.operator.processes import conditions, until
from tests.operator.stage import Stage, staged


class Bad(NamedTuple):
    """A spec, what it is called, what the message says of it, and a change that mends it."""

    spec: dict[str, Any]
    reason: str
    says: tuple[str, ...]
    mended: dict[str, Any]


BAD = {
    "a-field-nobody-knows": Bad(
        {"config": {"colour": "red"}}, "ConfigInvalid", ("spec.config.colour", "not permitted"), {"config": None}
    ),
    "a-value-that-is-none": Bad(
        {"config": {"mode": "Carrier"}}, "ConfigInvalid", ("spec.config.mode", "'Webhook' or 'Polling'"),
        {"config": {"mode": "Polling"}},
    ),
    "two-wrong-fields": Bad(
        {"config": {"mode": 7, "baseURL": "no address"}}, "ConfigInvalid", ("spec.config.mode", "spec.config.baseURL"),
        {"config": None},
    ),
    "too-much-config": Bad(
        {"config": {"baseURL": f"https://example.org/{'a' * 16_384}"}}, "ConfigTooLarge",
        ("spec.config", "at most 16384"), {"config": None},
    ),
    "somebody-who-is-not-there": Bad(
        {"inbox": {"members": ["ana", "nobody"]}}, "InboxInvalid", ("spec.inbox.members", "nobody"),
        {"inbox": {"members": ["ana"]}},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        yield made


def refused(stage: Stage, name: str, reason: str, says: tuple[str, ...]) -> None:
    """It is not accepted, which is said everywhere where somebody may look, and nothing is made of it."""
    accepted = stage.becomes(name, "Accepted", "False", reason)
    for words in says:
        assert words in accepted["message"]
    shown = conditions(stage.get(name))
    assert shown["Ready"] == ("False", reason)
    assert shown["Stalled"] == ("True", reason)
    assert stage.condition(name)["message"] == accepted["message"]
    assert stage.is_told(name, "Warning", reason) == accepted["message"]
    stage.resyncs()
    assert stage.row(name) is None
    for what in ("deployment", "service", "ingress"):
        assert stage.child(what, name) is None, "what is not accepted does not run"


def works(stage: Stage, name: str) -> None:
    """It is accepted, and its pods are made."""
    stage.becomes(name, "Accepted", "True", "Accepted")
    until(f"{name} has pods", lambda: stage.child("deployment", name))
    assert stage.row(name)["state"] == "Running"
    until("nobody has to do anything", lambda: "Stalled" not in conditions(stage.get(name)))


@pytest.mark.parametrize("name", BAD)
def test_a_spec_that_is_refused_says_which_field_and_works_when_it_is_mended(stage: Stage, name: str) -> None:
    bad = BAD[name]
    stage.create(connector(name, **bad.spec))
    refused(stage, name, bad.reason, bad.says)
    stage.patch("channelconnector", name, {"spec": bad.mended})
    works(stage, name)


def test_an_unknown_channel_says_which_there_are_and_what_to_do(stage: Stage) -> None:
    stage.create(connector("unknown-channel", channel="sms"))
    # A channel cannot be changed, so that nothing else is left.
    refused(stage, "unknown-channel", "UnknownChannel", ("sms", "telegram", "delete this connector"))
    stage.delete("unknown-channel")
    stage.is_gone("unknown-channel")
    stage.create(connector("unknown-channel", channel="telegram"))
    works(stage, "unknown-channel")


def test_a_running_connector_goes_on_as_it_was_last_accepted(stage: Stage) -> None:
    stage.create(connector("running", replicas=2))
    works(stage, "running")
    before = stage.child("deployment", "running")["metadata"]
    row = stage.row("running")
    stage.patch("channelconnector", "running", {"spec": {"config": {"mode": "Carrier"}, "replicas": 1}})
    stage.becomes("running", "Ready", "False", "ConfigInvalid")
    stage.resyncs()
    stage.patch("channelconnector", "running", {"spec": {"config": None, "inbox": {"members": ["nobody"]}}})
    stage.becomes("running", "Ready", "False", "InboxInvalid")
    stage.resyncs()
    after = stage.child("deployment", "running")["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert stage.row("running") == row
    stage.patch("channelconnector", "running", {"spec": {"inbox": {"members": ["ana"]}}})
    works(stage, "running")
    until("it is scaled", lambda: stage.child("deployment", "running")["spec"]["replicas"] == 1)


def test_what_the_api_refused_is_asked_again_and_needs_no_hand_when_it_is_mended_elsewhere(stage: Stage) -> None:
    late = f"late-{time.time_ns()}"
    taken = {
        "managedBy": "somebody/else",
        "resource": {
            **connector("taken"),
            "metadata": {"name": "taken", "namespace": stage.namespace.name},
        },
    }
    stage.hub.call("PUT", "/of-somebody-else", json=taken)
    stage.create(connector("taken"))
    stage.create(connector("late", inbox={"members": [late]}))
    accepted = stage.becomes("taken", "Accepted", "False", "Conflict")
    assert "somebody/else" in accepted["message"]
    assert "another name" in accepted["message"]
    assert stage.is_told("taken", "Warning", "Conflict") == accepted["message"]
    assert stage.row("taken")["managedBy"] == "somebody/else"
    stage.becomes("late", "Accepted", "False", "InboxInvalid")
    stage.hub.call("DELETE", "/of-somebody-else", params={"managedBy": "somebody/else"})
    new = {"username": late, "email": f"{late}@example.org", "password": "a password of this test"}
    httpx.post(f"{stage.hub.server.url}/v1/users", json=new, timeout=60).raise_for_status()
    works(stage, "taken")
    works(stage, "late")


def test_a_name_that_is_somebody_elses_is_left_alone_until_it_is_free(stage: Stage) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "connector-shared"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    }
    stage.namespace.create(service)
    stage.create(connector("shared"))
    found = stage.becomes("shared", "Available", "False", "NameTaken")
    assert "connector-shared" in found["message"]
    assert "delete or rename" in found["message"]
    assert stage.condition("shared")["reason"] == "NameTaken"
    assert stage.child("service", "shared")["spec"]["selector"] == {"app": "theirs"}
    stage.delete("connector-shared", what="service")
    works(stage, "shared")
    until("it has its own", lambda: "app.kubernetes.io/component" in selected(stage))


def selected(stage: Stage) -> dict[str, str]:
    found: dict[str, str] = (stage.child("service", "shared") or {"spec": {"selector": {}}})["spec"]["selector"]
    return found


def test_nothing_of_all_this_was_a_fault_of_the_operator(stage: Stage) -> None:
    stage.rests()
    assert stage.operator.process.alive
    assert stage.operator.live() == {}
    assert stage.operator.ready() == {}
