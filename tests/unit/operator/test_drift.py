"""Drift: what we applied is there with our value, whatever else is; quantities are compared by value."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat4all_operator.drift import covers

EXAMPLES = settings(derandomize=True, deadline=None)
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("abn=/:.0", max_size=4)
NAMES = st.sampled_from(["name", "mountPath", "containerPort", "uid", "limits", "requests", "cpu", "env", "x"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


@EXAMPLES
@given(VALUES)
def test_what_was_applied_is_there(value: Any) -> None:
    assert covers(value, value)


@EXAMPLES
@given(OBJECTS, OBJECTS)
def test_what_others_add_is_no_drift(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert covers({**theirs, **ours}, ours)


@EXAMPLES
@given(OBJECTS, NAMES, st.integers(100, 105))
def test_another_value_of_ours_is_drift(ours: dict[str, Any], name: str, value: int) -> None:
    assert not covers({**ours, name: value}, {**ours, name: value + 1})


EQUAL = [
    ("0.5", "500m"), ("1Gi", "1024Mi"), ("1", 1), ("1.0", "1"), ("0.1", "100m"), (".5", "500m"), ("1e3", "1k"),
    ("1E3", "1000"), ("2E", "2000P"), ("1.5Gi", "1536Mi"), ("100n", "0.1u"), ("+1", "1"), ("0", "0Mi"), (0.25, "250m"),
    ("1Ki", 1024), ("5.", "5"),
]  # fmt: skip
SUFFIXES = [("n u m 1 k M G T P E", 1000), ("1 Ki Mi Gi Ti Pi Ei", 1024)]  # each is so many of the one before it
OTHER = [
    ("0.5", "501m"),
    ("1G", "1Gi"),
    ("1m", "1M"),
    ("1", "-1"),
    ("1K", "1000"),
    ("", "0"),
    ("1 Gi", "1Gi"),
    ("x", "y"),
]


@pytest.mark.parametrize(("a", "b"), EQUAL)
def test_quantities_are_equal_by_value(a: object, b: object) -> None:
    for wanted, found in ((a, b), (b, a)):
        assert covers({"limits": {"cpu": found}}, {"limits": {"cpu": wanted}})


@pytest.mark.parametrize(("suffixes", "times"), SUFFIXES)
def test_every_suffix(suffixes: str, times: int) -> None:
    names = [one.replace("1", "") for one in suffixes.split()]
    for less, more in itertools.pairwise(names):
        assert covers({"limits": {"cpu": f"{times}{less}"}}, {"limits": {"cpu": f"1{more}"}})
        assert not covers({"limits": {"cpu": f"1{less}"}}, {"limits": {"cpu": f"1{more}"}})


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_quantities_of_other_values_are_drift(a: object, b: object) -> None:
    for wanted, found in ((a, b), (b, a)):
        assert not covers({"limits": {"cpu": found}}, {"limits": {"cpu": wanted}})


@EXAMPLES
@given(st.integers(1, 10**6))
def test_quantities_in_every_notation(count: int) -> None:
    for same in (str(count), f"{count}000m", f"{count}e0", f"{count}.0", f"{count}000000u", f"+{count}"):
        assert covers({"requests": {"memory": same}}, {"requests": {"memory": count}})
    assert covers({"sizeLimit": f"{count}Gi"}, {"sizeLimit": f"{count * 1024}Mi"})
    assert covers({"storage": f"{count}Ti"}, {"storage": f"{count * 1024}Gi"})


def test_only_quantities_are() -> None:
    assert not covers({"args": ["500m"]}, {"args": ["0.5"]})
    assert not covers({"value": "1000"}, {"value": "1k"})


CASES = [
    ("a field that is gone", {}, {"image": "a"}, False),
    ("an empty field, which the API server leaves out", {}, {"annotations": {}, "args": [], "value": ""}, True),
    ("a map where a word was", {"a": "b"}, {"a": {"b": 1}}, False),
    ("a container of somebody, before ours", {"c": [{"name": "mesh"}, {"name": "x"}]}, {"c": [{"name": "x"}]}, True),
    ("our container is gone", {"c": [{"name": "mesh"}]}, {"c": [{"name": "x"}]}, False),
    ("a word where a list was", {"args": "x"}, {"args": []}, False),
    ("nothing where an empty list was", {"args": None}, {"args": []}, True),
    ("nothing where a list was", {"args": None}, {"args": ["x"]}, False),
    ("containers in another order", {"c": [{"name": "b"}, {"name": "a"}]}, {"c": [{"name": "a"}, {"name": "b"}]}, True),
    ("arguments in another order", {"args": ["b", "a"]}, {"args": ["a", "b"]}, False),
    ("an argument more", {"args": ["a", "b"]}, {"args": ["a"]}, False),
    ("an owner more", {"o": [{"uid": "2"}, {"uid": "1"}]}, {"o": [{"uid": "1"}]}, True),
    (
        "a volume that is mounted twice",
        {"volumeMounts": [{"name": "tmp", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/b", "subPath": "b"}]},
        {"volumeMounts": [{"name": "tmp", "mountPath": "/a"}, {"name": "tmp", "mountPath": "/b", "subPath": "b"}]},
        True,
    ),
    (
        "a volume that is mounted twice, and somebody's mount",
        [{"name": "x", "mountPath": "/x"}, {"name": "t", "mountPath": "/a"}, {"name": "t", "mountPath": "/b"}],
        [{"name": "t", "mountPath": "/a"}, {"name": "t", "mountPath": "/b"}],
        True,
    ),
    (
        "a mount that was moved",
        {"volumeMounts": [{"name": "t", "mountPath": "/a"}, {"name": "t", "mountPath": "/c"}]},
        {"volumeMounts": [{"name": "t", "mountPath": "/a"}, {"name": "t", "mountPath": "/b"}]},
        False,
    ),
    # The API server leaves these out where they are false or 0: nothing is to be put right.
    ("a mount that may be written", {"m": [{"name": "t"}]}, {"m": [{"name": "t", "readOnly": False}]}, True),
    ("no network of the node", {"containers": []}, {"hostNetwork": False, "hostPID": False, "hostIPC": False}, True),
    ("a probe without a wait", {"readinessProbe": {}}, {"readinessProbe": {"initialDelaySeconds": 0}}, True),
    ("a port of the node, of none", {"ports": [{"name": "a"}]}, {"ports": [{"name": "a", "hostPort": 0}]}, True),
    ("no terminal", {}, {"stdin": False, "stdinOnce": False, "tty": False}, True),
    # These it keeps: where they are gone, somebody took them away.
    ("a token that is not to be mounted", {}, {"automountServiceAccountToken": False}, False),
    ("a user of no number", {"securityContext": {}}, {"securityContext": {"runAsUser": 0}}, False),
    ("a right that is not to be given", {}, {"allowPrivilegeEscalation": False}, False),
]


@pytest.mark.parametrize(("found", "wanted", "right"), [one[1:] for one in CASES], ids=[one[0] for one in CASES])
def test_what_is_drift(found: Any, wanted: Any, right: bool) -> None:
    assert covers(found, wanted) is right
