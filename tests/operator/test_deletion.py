"""How connectors go, in each order: what is told to the provider, by whom, and what is left when that cannot be.

Deletions through a running pod are in test_provider.py.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operator.cluster import connector
from tests.operator.jobs import job, job_runs
from tests.operator.pods import claims, tells
from tests.operator.processes import until
from tests.operator.stage import Stage, staged

from chat4all_devtools.ports import free_port

FINALIZER = "chat4all.io/unregister"


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        yield made


@pytest.fixture(scope="module", autouse=True)
def apart(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    """Another one, whose API answers nobody, and whose connector is deleted while the others are tested."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("apart"), api_url=nowhere)) as made:
        made.secret()
        made.create(connector())
        made.is_guarded("support")
        made.delete("support")
        yield made


def make(stage: Stage, name: str, **spec: Any) -> str:
    """Create a connector that has had an account at its provider, and has no pod that runs; its uid."""
    uid = stage.create(connector(name, **spec))
    stage.becomes(name, "Accepted", "True", "Accepted")
    claims(stage.hub, uid, f"account-of-{stage.namespace.name}-{name}")
    until("the operator knows it", lambda: stage.row(name)["account"])
    stage.resyncs()
    return uid


def is_gone_wholly(stage: Stage, name: str) -> None:
    stage.is_gone(name)
    assert stage.row(name) is None
    stage.loses(name, "deployment", "service", "ingress")


def test_only_what_has_to_be_unregistered_has_the_finalizer(stage: Stage) -> None:
    make(stage, "told")
    assert stage.get("told")["metadata"]["finalizers"] == [FINALIZER]
    stage.patch("channelconnector", "told", {"spec": {"deletionPolicy": "Retain"}})
    until("it is taken away", lambda: not stage.get("told")["metadata"].get("finalizers"))
    stage.patch("channelconnector", "told", {"spec": {"deletionPolicy": "Unregister"}})
    until("it is back", lambda: stage.get("told")["metadata"].get("finalizers") == [FINALIZER])


def test_finalizers_of_others_stay(stage: Stage) -> None:
    made = connector("held")
    stage.create({**made, "metadata": {"name": "held", "finalizers": ["example.org/other"]}})
    until("ours comes to it", lambda: FINALIZER in stage.get("held")["metadata"]["finalizers"])
    stage.delete("held")
    until("ours is gone", lambda: stage.get("held")["metadata"]["finalizers"] == ["example.org/other"])
    assert stage.row("held") is None
    stage.patch("channelconnector", "held", {"metadata": {"finalizers": None}})
    stage.is_gone("held")


def test_one_that_was_never_at_its_provider_goes_at_once(stage: Stage) -> None:
    stage.create(connector("unborn", credentialsSecretRef={"name": "not-there"}))
    stage.becomes("unborn", "Ready", "False", "SecretMissing")
    stage.delete("unborn")
    is_gone_wholly(stage, "unborn")
    assert not [one for one in stage.events("unborn") if "Unregister" in one[1]]


def test_a_paused_one_is_unregistered_by_a_job(stage: Stage) -> None:
    uid = make(stage, "paused", state="Paused")
    stage.delete("paused")
    found = until("a Job is made", lambda: job(stage, uid))
    check_job(found, uid)
    assert stage.row("paused")["state"] == "Unregistering"
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, "paused")
    stage.is_told("paused", "Normal", "Unregistered")


def check_job(found: dict[str, Any], uid: str) -> None:
    """It outlives what it is made for, ends by itself, and is the connector's pod with another command."""
    assert "ownerReferences" not in found["metadata"]
    assert found["metadata"]["labels"]["chat4all.io/connector-uid"] == uid
    spec = found["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (60, 0)
    assert 0 < spec["ttlSecondsAfterFinished"] <= 3600
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    [container] = pod["containers"]
    assert container["args"] == ["unregister", "--seconds", "50"]
    assert {"name": "CHAT4ALL_CHANNELS__UID", "value": uid} in container["env"]
    assert container["volumeMounts"][0]["mountPath"] == "/credentials"
    assert pod["volumes"][0]["secret"]["secretName"] == "keys"
    assert container["resources"]["requests"]["cpu"] == "250m", "a quota may ask for it"
    assert not {"readinessProbe", "livenessProbe", "startupProbe", "ports"} & container.keys()


def test_a_job_that_fails_is_given_up_with_what_is_left(stage: Stage) -> None:
    uid = make(stage, "failing", state="Paused")
    stage.delete("failing")
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Failed")
    is_gone_wholly(stage, "failing")
    assert "webhook" in stage.is_told("failing", "Warning", "UnregisterGivenUp")


def test_without_pods_that_report_a_job_does_it(stage: Stage) -> None:
    uid = make(stage, "silent")  # its pods are there, and do not start
    assert stage.pods("silent")
    stage.delete("silent")
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, "silent")


def test_pods_that_run_do_it_and_no_job_is_made(stage: Stage) -> None:
    uid = make(stage, "running")
    stage.runs("running")
    tells(stage.hub, uid)
    stage.becomes("running", "Ready", "True", "Ready")
    stage.delete("running")
    until("its pods are told to", lambda: stage.row("running")["state"] == "Unregistering")
    stage.resyncs()
    assert stage.get("running") is not None, "the provider has not been told"
    assert stage.run("running"), "its pods are needed"
    tells(stage.hub, uid, registered=False, unregistered=True, reason="Unregistered", sentence="It is gone.")
    is_gone_wholly(stage, "running")
    stage.is_told("running", "Normal", "Unregistered")
    assert job(stage, uid) is None


def test_when_its_secret_is_gone_already_nothing_is_waited_for(stage: Stage) -> None:
    stage.secret("lost")
    uid = make(stage, "bare", credentialsSecretRef={"name": "lost"})
    stage.namespace.kubectl("delete", "secret", "lost")
    stage.delete("bare")
    is_gone_wholly(stage, "bare")
    assert "webhook" in stage.is_told("bare", "Warning", "UnregisterSkipped")
    assert job(stage, uid) is None


def test_a_spec_that_nobody_would_take_any_more_can_be_deleted(stage: Stage) -> None:
    uid = make(stage, "spoilt", state="Paused")
    stage.patch("channelconnector", "spoilt", {"spec": {"config": {"mode": "Carrier"}}})
    stage.becomes("spoilt", "Ready", "False", "ConfigInvalid")
    stage.delete("spoilt")
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, "spoilt")


@pytest.mark.parametrize("propagation", ["Foreground", "Background"])
def test_deleted_with_its_children_before_it_or_after_it(stage: Stage, propagation: str) -> None:
    name = propagation.lower()
    uid = make(stage, name)
    stage.delete(name, propagation=propagation)
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, name)


def test_one_to_retain_goes_at_once_and_stays_registered_for_the_next(stage: Stage) -> None:
    before = make(stage, "kept", deletionPolicy="Retain")
    account = stage.row("kept")["account"]
    stage.delete("kept")
    stage.is_gone("kept")
    until("it is disabled", lambda: stage.row("kept")["state"] == "Disabled")
    assert stage.row("kept")["uid"] == before
    after = stage.create(connector("kept", deletionPolicy="Retain"))
    until("it is taken over", lambda: stage.row("kept")["uid"] == after)
    row = stage.row("kept")
    assert (row["state"], row["account"], row["disabledAt"]) == ("Running", account, None)
    stage.runs("kept")
    tells(stage.hub, after)
    stage.becomes("kept", "Ready", "True", "Ready")


def test_replaced_by_force_it_is_taken_over_while_the_old_one_goes(stage: Stage) -> None:
    before = make(stage, "forced", deletionPolicy="Retain")
    account = stage.row("forced")["account"]
    example = json.dumps(connector("forced", deletionPolicy="Retain", replicas=2))
    stage.namespace.kubectl("replace", "--force", "--filename=-", given=example)
    until("it is another one", lambda: stage.row("forced")["uid"] != before)
    assert stage.row("forced")["account"] == account
    stage.runs("forced", 2)
    owner = stage.child("deployment", "forced")["metadata"]["ownerReferences"][0]["uid"]
    assert owner == stage.row("forced")["uid"] == stage.get("forced")["metadata"]["uid"]


def test_what_a_pod_has_claimed_a_moment_before_is_unregistered_too(stage: Stage) -> None:
    """The operator asks for registrations so seldom that it cannot know of the account when the resource goes."""
    environment = stage.operator.process.environment
    before = dict(environment)
    stage.operator.process.kill()
    environment["CHAT4ALL_OPERATOR__POLL_SECONDS"] = "4"
    stage.operator.start()
    uid = stage.create(connector("quick"))
    stage.becomes("quick", "Accepted", "True", "Accepted")
    claims(stage.hub, uid, f"account-of-{stage.namespace.name}-quick")
    stage.delete("quick")
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, "quick")
    environment.update(before)


def test_while_the_operator_is_down_it_waits_and_then_goes(stage: Stage) -> None:
    uid = make(stage, "waiting", state="Paused")
    stage.operator.process.kill()
    stage.delete("waiting")
    assert stage.get("waiting")["metadata"]["finalizers"] == [FINALIZER]
    stage.operator.start()
    until("a Job is made", lambda: job(stage, uid))
    job_runs(stage, uid, "Succeeded")
    is_gone_wholly(stage, "waiting")


def test_a_job_that_never_runs_is_given_up_when_its_time_is_over(stage: Stage) -> None:
    """The minute is shortened to three seconds."""
    uid = make(stage, "endless", state="Paused")
    stage.operator.process.kill()
    stage.operator.process.environment["CHAT4ALL_OPERATOR__UNREGISTER_SECONDS"] = "3"
    stage.operator.start()
    stage.delete("endless")
    until("a Job is made", lambda: job(stage, uid) or stage.get("endless") is None)
    is_gone_wholly(stage, "endless")
    assert "webhook" in stage.is_told("endless", "Warning", "UnregisterGivenUp")


def test_while_the_api_answers_nobody_a_deletion_is_given_up_after_some_time(apart: Stage) -> None:
    apart.is_gone("support")
    assert "webhook" in apart.is_told("support", "Warning", "UnregisterGivenUp")
