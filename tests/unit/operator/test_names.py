"""Names and labels of children: valid, at most 63 characters and unique, however long what they are made from is."""

import re
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import INGRESS, ROUTE

from chat4all.channels.kit.resource import ChannelConnector
from chat4all_operator import children, kinds
from chat4all_operator.settings import Settings

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and /labels/
LABEL: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # of RFC 1035, which Services have to be
VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
KEY: Final = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
ALL: Final = {"replicas": 2, "autoscaling": {"maxReplicas": 4}}
LONGEST: Final = {"name": "c" * 40, "namespace": "n" * 63, "release": "r" * 53}
CONNECTORS: Final = st.from_regex(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
EXAMPLES: Final = settings(max_examples=40, derandomize=True, deadline=None)


def everything(hooks: Any = INGRESS, **given: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that is made for a connector, by its kind."""
    life = Life(ALL, hooks=hooks, **given)  # type: ignore[arg-type]
    life.settle()
    yield from ((kind.name, one) for (kind, _), one in life.children.items())
    yield "Job", children.unregister_job(life.observed())


def check(made: dict[str, Any]) -> None:
    assert LABEL.fullmatch(made["metadata"]["name"])
    pod = made["spec"].get("template", {"metadata": {}})
    for labels in (made["metadata"]["labels"], pod["metadata"].get("labels", {})):
        for key, value in labels.items():
            assert KEY.fullmatch(key)
            assert VALUE.fullmatch(value), f"{key}={value}"


def test_the_longest_names() -> None:
    for hooks in (INGRESS, ROUTE):
        found = dict(everything(hooks, **LONGEST))
        assert len(found) == 6
        for made in found.values():
            check(made)


def test_a_pod_is_named_after_its_deployment() -> None:
    """A Deployment's pods have its name and 17 characters more, of which a host name keeps 63."""
    name = children.child_name("c" * 40)
    assert len(name) + len("-5d4f8c7b9d-x2x4z") <= 253
    assert LABEL.fullmatch(name)


@EXAMPLES
@given(CONNECTORS)
def test_every_name_that_a_connector_may_have(name: str) -> None:
    for _, made in everything(name=name):
        check(made)


@EXAMPLES
@given(st.tuples(CONNECTORS, CONNECTORS).filter(lambda two: two[0] != two[1]))
def test_no_two_connectors_have_a_child_of_one_name(names: tuple[str, str]) -> None:
    a, b = names
    assert children.child_name(a) != children.child_name(b)
    assert children.job_name(a, objects.UID) != children.job_name(b, objects.UID)
    assert children.job_name(a, objects.UID) != children.job_name(b, objects.OTHER_UID)


def test_names_that_differ_at_the_end_alone() -> None:
    two = ["c" * 39 + end for end in "ab"]
    assert len({children.child_name(one) for one in two}) == 2
    assert len({children.job_name(one, objects.UID) for one in two}) == 2


def test_a_connector_and_the_one_before_it_have_jobs_of_their_own() -> None:
    assert children.job_name("support", objects.UID) != children.job_name("support", objects.OTHER_UID)


def test_what_else_is_made_from_the_longest_names() -> None:
    life = Life(ALL, hooks=INGRESS, **LONGEST)  # type: ignore[arg-type]
    life.settle()
    assert life.resource is not None
    status = life.resource["status"]
    assert len(status["selector"]) <= 512
    assert len(status["endpoint"]) <= 512
    assert len(status["connectorId"]) <= 128
    managed_by = Settings.model_construct(namespace=LONGEST["namespace"], release=LONGEST["release"]).managed_by
    assert managed_by == f"operator/{LONGEST['namespace']}/{LONGEST['release']}"
    assert len(managed_by) <= 128, "what the internal API takes"


def test_a_longer_name_is_refused_and_never_cut() -> None:
    """Of an object that is older than the definition's rule."""
    life = Life(name="c" * 41)
    life.settle()
    assert life.conditions()["Accepted"] == "False Invalid"
    assert "metadata.name" in life.message()
    assert life.children == {}


def test_labels_select_one_connector_s_pods_and_never_change() -> None:
    one, other = (dict(everything(release=release))["Deployment"] for release in ("a", "b"))
    assert one["spec"]["selector"] == other["spec"]["selector"], "another release may take it over"
    assert one["spec"]["selector"]["matchLabels"][kinds.UID_LABEL] == objects.UID
    for name, made in everything():
        if name != "Job":
            (owner,) = made["metadata"]["ownerReferences"]
            assert (owner["uid"], owner["controller"], owner["name"]) == (objects.UID, True, "support")


def test_the_resource_s_own_bound_is_the_one_that_names_are_made_for() -> None:
    body = {**objects.resource("c" * 40, "n" * 63, objects.SPEC)}
    body = {key: one for key, one in body.items() if key != "status"} | {
        "metadata": {"name": "c" * 40, "namespace": "n" * 63}
    }
    assert ChannelConnector.model_validate(body).id == f"{'n' * 63}.{'c' * 40}"
