"""What holds of a connector whatever has happened to it: it comes to rest, its conditions are a closed set whose times
move only with their statuses, and no value of a Secret is anywhere."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator import objects, worlds
from tests.unit.operator.life import Life

from chat4all_operator.conditions import STALLING
from chat4all_operator.kinds import DEPLOYMENT, SERVICE
from chat4all_operator.plan import Apply, Finalizers

TYPES = ["Accepted", "CredentialsResolved", "Available", "Authenticated", "Registered", "RateLimited", "Ready"]
WITH_STALLED = [*TYPES[:-1], "Stalled", "Ready"]
EXAMPLES = settings(max_examples=60, derandomize=True, deadline=None)


def conditions(life: Life) -> Sequence[Mapping[str, Any]]:
    assert life.resource is not None
    found: Sequence[Mapping[str, Any]] = life.resource["status"]["conditions"]
    return found


def has_gone_on(life: Life) -> bool:
    """Whether a status is still written: of one that is being deleted, none is."""
    return life.resource is not None and "deletionTimestamp" not in life.resource["metadata"]


@EXAMPLES
@given(worlds.lives(), st.data())
def test_it_comes_to_rest_after_whatever_happens(life: Life, data: st.DataObject) -> None:
    """settle() fails where plans go on for ever: carried out, a plan leaves nothing to do but to wait."""
    for _ in range(3):
        life.settle()
        if life.resource is None:
            return
        first, second = life.plan(), life.plan()
        assert first == second, "the same is decided from the same"
        assert first.steps == () or life.refused is not None
        worlds.happens(data.draw, life)


@EXAMPLES
@given(worlds.lives(), st.data())
def test_conditions_are_a_closed_set_and_ready_is_the_last(life: Life, data: st.DataObject) -> None:
    for _ in range(2):
        life.settle()
        if not has_gone_on(life):
            return
        found = conditions(life)
        assert [one["type"] for one in found] in (TYPES, WITH_STALLED)
        for one in found:
            assert one["status"] in {"True", "False", "Unknown"}
            assert re.fullmatch("[A-Z][A-Za-z0-9]{0,63}", one["reason"])
            assert 0 < len(one["message"]) <= 1024
            assert one["observedGeneration"] == life.observed().generation
        by_type = {one["type"]: one for one in found}
        assert ("Stalled" in by_type) is (
            by_type["Ready"]["status"] == "False" and by_type["Ready"]["reason"] in STALLING
        )
        summed = {one["status"] for one in found if one["type"] in TYPES[:5]}
        assert (by_type["Ready"]["status"] == "True") is (summed == {"True"})
        assert (by_type["Ready"]["status"] == "False") is ("False" in summed)
        worlds.happens(data.draw, life)


@EXAMPLES
@given(worlds.lives(), st.data())
def test_a_transition_has_a_time_only_when_there_is_one(life: Life, data: st.DataObject) -> None:
    life.settle()
    before = {one["type"]: one for one in copy.deepcopy(conditions(life))}
    worlds.happens(data.draw, life)
    life.settle()
    if not has_gone_on(life):
        return
    for one in conditions(life):
        old = before.get(one["type"])
        if old is not None and old["status"] == one["status"]:
            assert one["lastTransitionTime"] == old["lastTransitionTime"]
        else:
            assert one["lastTransitionTime"] == objects.written(life.now)


@EXAMPLES
@given(worlds.lives(), st.data())
def test_no_value_of_a_secret_is_anywhere(life: Life, data: st.DataObject) -> None:
    for _ in range(2):
        if life.resource is None:
            return
        assert worlds.HIDDEN not in repr(life.observed())
        assert worlds.HIDDEN not in repr(life.secret)
        steps = life.settle()
        assert worlds.HIDDEN not in repr(steps)
        assert worlds.HIDDEN not in repr(life.events)
        assert worlds.HIDDEN not in repr(life.resource)
        assert worlds.HIDDEN not in repr(life.children)
        if life.resource is not None:
            worlds.happens(data.draw, life)


@EXAMPLES
@given(worlds.lives(), st.data())
def test_what_is_not_its_own_is_never_touched(life: Life, data: st.DataObject) -> None:
    theirs = objects.theirs(SERVICE)
    life.children[SERVICE, "connector-support"] = copy.deepcopy(theirs)
    for _ in range(2):
        life.settle()
        assert life.children[SERVICE, "connector-support"] == theirs
        if life.resource is None:
            return
        worlds.happens(data.draw, life)
        life.children[SERVICE, "connector-support"] = copy.deepcopy(theirs)


@EXAMPLES
@given(worlds.lives(), st.data())
def test_a_deletion_ends_in_time(life: Life, data: st.DataObject) -> None:
    life.settle()
    worlds.happens(data.draw, life)
    if life.resource is None or not life.resource["metadata"].get("finalizers"):
        return
    life.delete()
    life.settle()
    life.pass_seconds(110)
    if life.resource is not None:
        assert any(isinstance(one, Finalizers) for one in life.plan().steps)


@pytest.mark.parametrize("spec", [None, [], "x", 3, {}, {"channel": 3}, {"credentialsSecretRef": "x"}, {"config": []}])
@pytest.mark.parametrize("status", [None, [], "x", {}, {"conditions": {}}, {"conditions": ["x", None, {"type": 3}]}])
def test_a_resource_of_any_form_is_told_what_is_wrong(spec: object, status: object) -> None:
    """The API server may have stored it before it knew the definition."""
    life = Life()
    assert life.resource is not None
    life.resource |= {"spec": spec, "status": status}
    life.settle()
    found = {one["type"]: f"{one['status']} {one['reason']}" for one in conditions(life)}
    assert found["Accepted"] == found["Ready"] == "False Invalid"
    life.resource["metadata"]["finalizers"] = ["chat4all.io/unregister"]
    life.delete()
    life.settle()
    assert life.resource is None, "it can be deleted all the same"


@EXAMPLES
@given(worlds.lives(), st.data())
def test_an_operator_that_begins_anew_goes_on_where_it_was(life: Life, data: st.DataObject) -> None:
    """It may end between any two steps: what is there, and nothing else, says what comes next."""
    while life.resource is not None and (steps := life.plan().steps) and life.refused is None:
        life.take(steps[0])
        if data.draw(st.booleans()):
            break
    life.settle()
    other = Life(life.resource and life.resource["spec"], secret=life.secret)
    other.world = life.world
    other.settle()
    assert life.kinds() == other.kinds()
    assert life.conditions() == other.conditions()
    assert not any(isinstance(one, Apply) and one.kind is DEPLOYMENT for one in life.plan().steps)
