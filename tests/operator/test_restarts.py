"""The operator is killed after its first change, after its second, and so on: whoever comes next ends what it began."""

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.operator.cluster import connector
from tests.operator.jobs import job, job_runs
from tests.operator.pods import claims
from tests.operator.processes import until
from tests.operator.stage import Stage, staged

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("deployment", "service", "ingress", "poddisruptionbudget", "horizontalpodautoscaler")
MOST = 30  # changes of one connector's beginning: many more than there are
ENDS = 12  # changes of one connector's end: some more than there are


@pytest.fixture
def stage(namespaces, hub, tmp_path) -> Iterator[Stage]:
    made = Stage(namespaces(), hub, tmp_path)
    process = made.operator.process
    process.command = [sys.executable, "-m", "tests.operator.mortal"]
    process.environment |= {"MORTAL": str(tmp_path / "left"), "PYTHONPATH": str(ROOT)}
    with staged(made) as running:
        running.secret()
        yield running


def dies(stage: Stage, number: int, begin: Callable[[], object], is_done: Callable[[], bool]) -> bool:
    """Whether the operator has died after so many changes since the beginning of something, before that was done."""
    left = stage.folder / "left"
    left.write_text(str(number))
    begin()
    until("it has died, or is done", lambda: not stage.operator.process.alive or is_done())
    with contextlib.suppress(httpx.HTTPError):  # it may still have something to tell, and die of it
        stage.resyncs()
    died = not stage.operator.process.alive
    left.unlink()
    stage.operator.start()
    return died


def is_whole(stage: Stage, name: str) -> bool:
    """Whether everything of a connector is there, and its status says so. An event is told once at most: whoever dies
    between a status and its event does not tell it."""
    found = stage.get(name)
    said = {one["type"]: one for one in found.get("status", {}).get("conditions", [])}
    row = stage.row(name)
    return (
        found["metadata"].get("finalizers") == ["chat4all.io/unregister"]
        and said.get("Accepted", {}).get("status") == "True"
        and said["Ready"]["observedGeneration"] == found["metadata"]["generation"]
        and row is not None
        and (row["uid"], row["state"]) == (found["metadata"]["uid"], "Running")
        and all(stage.child(kind, name) for kind in KINDS)
    )


def test_a_connector_comes_to_be_wherever_the_operator_is_killed(stage: Stage) -> None:
    for number in itertools.count(1):
        assert number < MOST
        name = f"life-{number}"
        begin = functools.partial(stage.create, connector(name, replicas=2, autoscaling={"maxReplicas": 4}))
        whole = functools.partial(is_whole, stage, name)
        if not dies(stage, number, begin, whole):
            break
        until(f"{name} is whole", whole)
    assert number > len(KINDS) + 3, "a finalizer, a registration, each child, a status"
    stage.rests()
    names = {one["metadata"]["name"] for one in stage.all("deployment")}
    assert names == {f"connector-life-{one}" for one in range(1, number + 1)}


def is_gone(stage: Stage, name: str, uid: str) -> bool:
    """Whether a connector is; its Job, where there is one, works."""
    found = job(stage, uid)
    if found and not found.get("status", {}).get("conditions"):
        job_runs(stage, uid, "Succeeded")
    return stage.get(name) is None


def test_a_connector_goes_wherever_the_operator_is_killed(stage: Stage) -> None:
    uids = {f"end-{number}": "" for number in range(1, ENDS + 1)}
    for name in uids:
        uids[name] = stage.create(connector(name, state="Paused"))
    for name, uid in uids.items():
        stage.becomes(name, "Accepted", "True", "Accepted")
        claims(stage.hub, uid, f"account-of-{stage.namespace.name}-{name}")
    stage.rests()
    for number, (name, uid) in enumerate(uids.items(), 1):
        gone = functools.partial(is_gone, stage, name, uid)
        if not dies(stage, number, functools.partial(stage.delete, name), gone):
            break
        until(f"{name} is gone", gone)
        assert stage.row(name) is None
    else:
        pytest.fail(f"there are more than {ENDS} changes: have more connectors for them")
    assert number > 4, "a registration's new state, a Job, the registration's end, a word about it, a finalizer"
    stage.rests()
    assert len(stage.all("channelconnector")) == ENDS - number
