"""ChannelConnectors that hypothesis makes up: right ones, and what comes of them by a change or two."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from tests.operator.cluster import connector

LABEL = "[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?"
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner), max_leaves=6
)
names = (
    st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
    | st.sampled_from(["a" * 40, "a" * 41, "a-b", "a-", "1a", "a.b", "a\n", "A", ""])
    | st.text(max_size=42)
)
members = st.lists(st.text(min_size=1, max_size=64), min_size=1, max_size=50)
autoscaling = st.fixed_dictionaries(
    {"maxReplicas": st.integers(1, 100)},
    optional={"minReplicas": st.integers(1, 100), "targetCPUPercent": st.integers(1, 100)},
)
specs = st.fixed_dictionaries(
    {
        "channel": st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True),
        "credentialsSecretRef": st.fixed_dictionaries(
            {"name": st.from_regex(rf"{LABEL}(\.{LABEL}){{0,2}}", fullmatch=True)}
        ),
        "inbox": st.fixed_dictionaries({"members": members}),
    },
    optional={
        "state": st.sampled_from(["Running", "Paused"]),
        "config": st.dictionaries(st.text(max_size=8), trees, max_size=32),
        "rateLimit": st.fixed_dictionaries({"perSecond": st.floats(0, 10_000, exclude_min=True) | st.just(30)}),
        "senderLabel": st.sampled_from(["Auto", "Always", "Never"]),
        "onUncertain": st.sampled_from(["Resend", "Hold"]),
        "replicas": st.integers(0, 100),
        "autoscaling": autoscaling,
        "deletionPolicy": st.sampled_from(["Unregister", "Retain"]),
    },
)
# What may stand where something else should.
strange: st.SearchStrategy[Any] = (
    st.sampled_from([None, True, "", "1", "a\n", "running", "a" * 65, "a" * 254, "a..b", [], {}, [None], ["a"] * 51])
    | st.sampled_from([-1, 0, 1, 100, 101, 10_001, 2**31, 2**63, 2**70, -0.0, 0.5, 1.0, 70.5, 1e-320, 1e19])
    | st.just({str(number): number for number in range(33)})
    | trees
)
CHANGES = ("near", "near", "other", "gone", "null", "more")


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    """A resource: every third one is right, but for its name, in which a few are wrong."""
    made = connector(draw(names), **draw(specs))
    for _ in range(draw(st.sampled_from([0, 1, 2]))):
        _change(made, draw)
    return made


def _change(resource: dict[str, Any], draw: st.DrawFn) -> None:
    """Have something else in one place, or nothing, or a field that nobody knows."""
    places = [*_places(resource)]
    within, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(CHANGES)):
        case "near":
            within[key] = draw(st.sampled_from(_near(within[key])))
        case "other":
            within[key] = copy.deepcopy(draw(strange))
        case "gone":
            del within[key]
        case "null":
            within[key] = None
        case _:
            draw(st.sampled_from([one for one, _ in places if isinstance(one, dict)]))["colour"] = draw(leaves)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in it that has a rule: what it is in, and under which key. Of a list it is the first that counts."""
    for key, inner in [*(value.items() if isinstance(value, dict) else enumerate(value[:1]))]:
        yield value, key
        if isinstance(inner, dict | list) and key != "config":
            yield from _places(inner)


def _near(value: Any) -> list[Any]:
    """What is nearly the same: of another type, or just outside a bound that there may be."""
    match value:
        case int() | float():
            return [str(value), float(value), bool(value), [value], value + 100, -value]
        case str():
            return [f"{value}\n", value.upper(), f"{value}-", value + "a" * 31, [value], {"name": value}]
        case dict():
            return [[value], {**value, **{str(number): number for number in range(33)}}, str(value)]
        case _:
            return [None, {}, str(value)]
