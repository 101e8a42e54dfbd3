"""Registrations whose resource is gone: they stand still, are deleted after a time, and many at once are an alarm."""

from collections.abc import Iterator

import pytest
from tests.operator.cluster import connector
from tests.operator.processes import until
from tests.operator.stage import Stage, staged

FINALIZERS = {"metadata": {"finalizers": None}}


@pytest.fixture(scope="module")
def stage(namespaces, hub, tmp_path_factory) -> Iterator[Stage]:
    with staged(Stage(namespaces(), hub, tmp_path_factory.mktemp("operator"))) as made:
        made.secret()
        yield made


def make(stage: Stage, *names: str) -> None:
    for name in names:
        stage.create(connector(name))
    for name in names:
        stage.becomes(name, "Accepted", "True", "Accepted")


def lose(stage: Stage, *names: str) -> None:
    """Their resources go without the operator's having seen it, as when somebody takes the finalizer away."""
    stage.operator.process.kill()
    for name in names:
        stage.patch("channelconnector", name, FINALIZERS)
        stage.delete(name)
        stage.is_gone(name)


def alarm(stage: Stage) -> float:
    return stage.metric("mass_orphaning")


def test_one_is_disabled_and_nothing_of_it_is_lost_while_it_is_missed(stage: Stage) -> None:
    make(stage, "one", "two", "three")
    uid, spec = stage.row("one")["uid"], stage.row("one")["spec"]
    foreign = connector("foreign")
    resource = {**foreign, "metadata": {"name": "foreign", "namespace": stage.namespace.name}}
    stage.hub.call("PUT", "/foreign", json={"managedBy": "somebody/else", "resource": resource})
    lose(stage, "one")
    stage.operator.start()
    until("it is disabled", lambda: stage.row("one")["state"] == "Disabled")
    row = stage.row("one")
    assert (row["uid"], row["spec"]["channel"]) == (uid, spec["channel"])
    assert row["disabledAt"]
    stage.resyncs()
    assert stage.row("one")["disabledAt"] == row["disabledAt"], "the time of grace does not begin anew"
    assert stage.metric("orphans") == 1
    assert alarm(stage) == 0
    for name, state in {"two": "Running", "three": "Running", "foreign": "Running"}.items():
        assert stage.row(name)["state"] == state, "of others nothing is touched"
    stage.rests()


def test_applied_again_it_is_taken_over_and_runs(stage: Stage) -> None:
    make(stage, "one")
    row = stage.row("one")
    assert (row["state"], row["disabledAt"]) == ("Running", None)
    assert row["uid"] == stage.get("one")["metadata"]["uid"]
    until("nobody is missed", lambda: stage.metric("orphans") == 0)


def test_more_than_half_at_once_are_an_alarm_and_are_deleted_no_sooner(stage: Stage) -> None:
    lose(stage, "one", "two")
    stage.operator.start()
    until("the alarm", lambda: alarm(stage) == 1)
    assert stage.metric("orphans") == 2
    assert "2 of 3 registrations have no resource" in stage.operator.log()
    until("they are disabled", lambda: {stage.row(one)["state"] for one in ("one", "two")} == {"Disabled"})
    stage.resyncs()
    assert stage.row("one") is not None
    make(stage, "one", "two")
    until("the alarm ends", lambda: alarm(stage) == 0)


def test_after_the_time_of_grace_it_is_deleted_and_never_before(stage: Stage) -> None:
    """The day is shortened: to nothing for the one that was disabled before the operator was told so."""
    lose(stage, "one")
    stage.operator.start()
    until("it is disabled", lambda: stage.row("one")["state"] == "Disabled")
    stage.resyncs()
    assert stage.row("one") is not None
    stage.operator.process.kill()
    stage.operator.process.environment["CHAT4ALL_OPERATOR__ORPHAN_GRACE_SECONDS"] = "0"
    stage.operator.start()
    until("it is deleted", lambda: stage.row("one") is None)
    assert stage.row("two")["state"] == "Running"
    assert stage.row("foreign")["managedBy"] == "somebody/else"
