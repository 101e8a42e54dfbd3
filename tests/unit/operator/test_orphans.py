"""Registrations whose resource is gone: what is disabled, what is deleted, and when somebody should look."""

import datetime as dt

import pytest
from tests.unit.operator.objects import NOON

from chat4all_operator import orphans
from chat4all_operator.observed import Row

GRACE = 86_400.0


def row(name: str, state: str = "Running", disabled_for: float | None = None) -> Row:
    at = None if disabled_for is None else NOON - dt.timedelta(seconds=disabled_for)
    return Row(f"uid-{name}", f"shop.{name}", "telegram", "operator/shop/c4a", {}, state, at, None, ())


def names(rows: tuple[Row, ...]) -> list[str]:
    return [one.id.removeprefix("shop.") for one in rows]


def judge(rows: list[Row], *there: str, uids: bool = True) -> orphans.Verdict:
    """`there`: the names of resources."""
    ids = {f"shop.{one}" for one in there}
    return orphans.judge(rows, ids, {f"uid-{one}" for one in there} if uids else set(), NOON, GRACE)


CASES = [
    ("all are there", [row("a"), row("b")], ["a", "b"], [], []),
    ("one is gone", [row("a"), row("b"), row("c")], ["a", "b"], ["c"], []),
    ("a paused one is gone", [row("a"), row("b", "Paused")], ["a"], ["b"], []),
    ("one that was to unregister is gone", [row("a"), row("b", "Unregistering")], ["a"], ["b"], []),
    ("one is disabled", [row("a"), row("b", "Disabled", 86_399)], ["a"], [], []),
    ("one was disabled for long", [row("a"), row("b", "Disabled", 86_401)], ["a"], [], ["b"]),
    ("a disabled one is back", [row("a"), row("b", "Disabled", 99_999)], ["a", "b"], [], []),
    ("one that was being removed", [row("a"), row("b", "Removing")], ["a"], [], ["b"]),
    ("there is none", [], ["a"], [], []),
]


@pytest.mark.parametrize(
    ("rows", "there", "disable", "delete"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_what_is_done(rows: list[Row], there: list[str], disable: list[str], delete: list[str]) -> None:
    found = judge(rows, *there)
    assert (names(found.disable), names(found.delete)) == (disable, delete)


def test_one_that_was_replaced_is_no_orphan() -> None:
    """A resource of its name is there, with a uid that is not registered yet: it takes the row over."""
    assert judge([row("a")], "a", uids=False).orphans == 0


def test_a_removal_that_was_cut_off_is_ended_though_another_resource_has_its_name() -> None:
    assert names(judge([row("a", "Removing")], "a", uids=False).delete) == ["a"]
    assert judge([row("a", "Removing")], "a").delete == (), "its own resource ends it"
    many = [row("a", "Removing"), row("b", "Removing")]
    assert not judge(many, "a", "b", uids=False).many, "nobody is missed"


@pytest.mark.parametrize(
    ("rows", "gone", "many"),
    [
        (1, 1, False),
        (2, 1, False),
        (2, 2, True),
        (3, 2, True),
        (4, 2, False),
        (4, 3, True),
        (50, 26, True),
        (50, 25, False),
    ],
)
def test_more_than_half_and_more_than_one_are_an_alarm(rows: int, gone: int, many: bool) -> None:
    all_of_them = [row(f"c{number}") for number in range(rows)]
    found = judge(all_of_them, *(f"c{number}" for number in range(gone, rows)))
    assert (found.many, found.orphans) == (many, gone)


def test_the_alarm_lasts_while_they_are_disabled() -> None:
    assert judge([row(name, "Disabled", 60) for name in "abc"]).many
