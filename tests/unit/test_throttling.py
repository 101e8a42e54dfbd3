"""Whether a provider makes a whole connector wait, told from what it answers to each chat."""

from typing import NamedTuple

import pytest

from chat4all.connectors.throttling import Throttling

NOW = 1000.0


class Case(NamedTuple):
    """`told`: who was told to wait so many seconds, by name, "" for the connector's own calls; `through`: who got
    something through after that; `waiting`: chats that have something; `later`: seconds after which it is asked."""

    told: dict[str, float]
    waiting: int
    until: float | None
    through: tuple[str, ...] = ()
    later: float = 0.0


CASES = {
    "nobody": Case({}, 3, None),
    "the only chat that waits": Case({"a": 5}, 1, NOW + 5),
    "one of two": Case({"a": 5}, 2, NOW + 5),
    "one of three": Case({"a": 5}, 3, None),
    "a single chat among many that flow": Case({"a": 600}, 40, None),
    "most of many": Case({"a": 5, "b": 9, "c": 7}, 5, NOW + 9),
    "all, until one gets something through": Case({"a": 5, "b": 9}, 2, NOW + 5, through=("b",)),
    "all, until all do": Case({"a": 5, "b": 9}, 2, None, through=("a", "b")),
    "the connector's own call, though nothing waits": Case({"": 30}, 0, NOW + 30),
    "its own call, which was answered later": Case({"": 30}, 5, None, through=("",)),
    "chats of lanes that have gone to another pod": Case({"a": 5}, 0, None),
    "what is being tried again just now": Case({"a": 5}, 1, NOW + 5, later=6),
    "what was not tried again for long": Case({"a": 5}, 1, None, later=36),
}


@pytest.mark.parametrize("name", CASES)
def test_a_connector_waits_where_most_of_its_chats_do(name: str) -> None:
    case, now = CASES[name], [NOW]
    throttling = Throttling(clock=lambda: now[0])
    for chat, seconds in case.told.items():
        throttling.told_to_wait(seconds, chat)
    for chat in case.through:
        throttling.let_through(chat)
    now[0] += case.later
    assert throttling.until(case.waiting) == case.until


def test_what_is_remembered_is_bounded_by_time() -> None:
    now = [NOW]
    throttling = Throttling(clock=lambda: now[0])
    for number in range(1000):
        throttling.told_to_wait(1.0, str(number))
    now[0] += 60.0
    assert throttling.until(1) is None
    assert throttling._ends == {}
