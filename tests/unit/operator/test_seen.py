"""What was last seen of the cluster: the newer of two states stays, whatever order they come in."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator import objects

from chat4all_operator.children import child_name, job_name
from chat4all_operator.cluster import Listing
from chat4all_operator.kinds import CONNECTOR, DEPLOYMENT, JOB, SECRET, SERVICE
from chat4all_operator.seen import Seen, secret, secret_name

EXAMPLES = settings(derandomize=True, deadline=None)


def found(version: int, name: str = "a", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}, **more}


def version(seen: Seen, name: str = "a") -> int | None:
    one = seen.get(DEPLOYMENT, name)
    return None if one is None else int(one["metadata"]["resourceVersion"])


def test_only_what_is_newer_is_news() -> None:
    seen = Seen()
    assert seen.put(DEPLOYMENT, found(5))
    assert not seen.put(DEPLOYMENT, found(5))
    assert not seen.put(DEPLOYMENT, found(4))
    assert seen.put(DEPLOYMENT, found(6))
    assert version(seen) == 6


@EXAMPLES
@given(st.permutations([("put", 3), ("put", 5), ("remove", 7), ("put", 9)]))
def test_whatever_the_order_the_last_state_stays(events: list[tuple[str, int]]) -> None:
    seen = Seen()
    for what, number in events:
        if what == "put":
            seen.put(DEPLOYMENT, found(number))
        else:
            seen.remove(DEPLOYMENT, "a", number)
    assert version(seen) == 9


@EXAMPLES
@given(st.permutations([("put", 3), ("put", 5), ("remove", 7)]))
def test_what_was_deleted_last_stays_deleted(events: list[tuple[str, int]]) -> None:
    seen = Seen()
    for what, number in events:
        if what == "put":
            seen.put(DEPLOYMENT, found(number))
        else:
            seen.remove(DEPLOYMENT, "a", number)
    assert version(seen) is None


def test_a_complete_list_is_the_truth_but_for_what_is_newer() -> None:
    seen = Seen()
    seen.put(DEPLOYMENT, found(3, "gone"))
    seen.put(DEPLOYMENT, found(5, "stays"))
    seen.put(DEPLOYMENT, found(12, "newer"))
    seen.replace(DEPLOYMENT, Listing([found(4, "stays"), found(8, "listed")], "10"))
    assert {one["metadata"]["name"] for one in seen.all(DEPLOYMENT)} == {"stays", "newer", "listed"}
    assert version(seen, "stays") == 5
    assert not seen.put(DEPLOYMENT, found(9, "gone")), "a late event does not bring it back"


def test_kinds_do_not_mix() -> None:
    seen = Seen()
    seen.put(DEPLOYMENT, found(1))
    assert seen.get(SERVICE, "a") is None
    seen.replace(SERVICE, Listing([], "5"))
    assert version(seen) == 1


def test_a_connector_s_children_are_those_of_its_names() -> None:
    seen, connector = Seen(), objects.resource("support", "shop", objects.SPEC)
    job = job_name("support", objects.UID)
    for kind, name in (
        (DEPLOYMENT, child_name("support")),
        (JOB, job),
        (SERVICE, "other"),
        (JOB, "unregister-support-x"),
    ):
        seen.put(kind, found(1, name))
    assert set(seen.children(connector)) == {(DEPLOYMENT, child_name("support")), (JOB, job)}


def test_whom_an_object_concerns() -> None:
    seen = Seen()
    for name, keys in (("a", "keys"), ("b", "keys"), ("c", "others")):
        made = objects.resource(name, "shop", {**objects.SPEC, "credentialsSecretRef": {"name": keys}})
        made["metadata"]["uid"] = f"{name}{objects.UID[1:]}"
        seen.put(CONNECTOR, made)
    assert set(seen.users_of(SECRET, "keys")) == {"a", "b"}
    assert set(seen.users_of(SERVICE, child_name("c"))) == {"c"}
    assert set(seen.users_of(JOB, job_name("b", f"b{objects.UID[1:]}"))) == {"b"}
    assert set(seen.users_of(JOB, "some-job")) == set()


@pytest.mark.parametrize("spec", [None, [], "x", {}, {"credentialsSecretRef": None}, {"credentialsSecretRef": "x"}])
def test_a_connector_of_any_form_has_no_secret(spec: object) -> None:
    assert secret_name({"spec": spec}) == ""


def test_a_secret_is_decoded_and_never_printed() -> None:
    data = {"a": base64.b64encode(b"hidden\xff").decode(), "b": "no base64!", "c": ""}
    made = secret({"type": "Opaque", "data": data})
    assert (made.type, made.data["a"], made.data["c"]) == ("Opaque", b"hidden\xff", b"")
    assert "hidden" not in repr(made)
    assert secret({}) == secret({"type": "", "data": None})
