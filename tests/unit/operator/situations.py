"""A table of situations: what happens to a connector, and which conditions then differ from those of one at work."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import report

from chat4all_operator.kinds import DEPLOYMENT
from chat4all_operator.observed import Refused

Happening = Callable[[Life], object]

AT_WORK = {
    "Accepted": "True Accepted",
    "CredentialsResolved": "True Resolved",
    "Available": "True Available",
    "Authenticated": "True Authenticated",
    "Registered": "True Registered",
    "RateLimited": "False NotLimited",
    "Ready": "True Ready",
}
SILENT = {"Authenticated": "Unknown NotReporting", "Registered": "Unknown NotReporting"}
NOT_STARTED = {"Available": "False Starting", **SILENT}


class Case(NamedTuple):
    """`differs`: conditions, by type; `says`: a part of what Ready says to a person; `given`: how the life begins."""

    label: str
    happens: Happening
    differs: Mapping[str, str]
    says: str = ""
    given: Mapping[str, Any] = {}


def labelled(cases: Sequence[Case]) -> Any:
    """Have a test try each case."""
    return pytest.mark.parametrize("case", cases, ids=[one.label for one in cases])


def working(**given: Any) -> Life:
    """A connector whose pods run and say that all is well."""
    life = Life(**given)
    life.settle()
    comes_up(life)
    assert life.conditions()["Ready"] == AT_WORK["Ready"]
    return life


def comes_up(life: Life) -> None:
    """Its pods run, and one reports."""
    life.run_pods()
    life.report(report())
    life.settle()


def check(life: Life, case: Case) -> None:
    """Everything is as the case says."""
    assert life.conditions() == {**AT_WORK, **case.differs}
    assert case.says in life.message()


# -- what conditions come to


def stalled(kind: str, reason: str) -> dict[str, str]:
    """A condition that is False for a reason that only a person can mend."""
    return {kind: f"False {reason}", "Ready": f"False {reason}", "Stalled": f"True {reason}"}


def broken(kind: str, reason: str) -> dict[str, str]:
    """A condition that is False, and may become True by itself."""
    return {kind: f"False {reason}", "Ready": f"False {reason}"}


def unknown(reason: str, *kinds: str) -> dict[str, str]:
    """Conditions of which nothing is known for this reason."""
    return dict.fromkeys((*kinds, "Ready"), f"Unknown {reason}")


def unread(reason: str) -> dict[str, str]:
    """A spec that is not even understood: nothing more can be said."""
    kinds = ("CredentialsResolved", "Available", "Authenticated", "Registered", "RateLimited")
    return {**unknown(reason, *kinds), **stalled("Accepted", reason)}


# -- what happens


def nothing(_: Life) -> None:
    """Nothing happens."""


def change(**spec: Any) -> Happening:
    """Somebody changes the spec."""
    return lambda life: life.change(**spec)


def becomes(**attributes: Any) -> Happening:
    """What is around the connector becomes this."""

    def happens(life: Life) -> None:
        for name, value in attributes.items():
            assert hasattr(life, name)
            setattr(life, name, value)

    return happens


def refused(field: str, detail: str = "It is wrong.", code: str = "invalid") -> Happening:
    """The internal API refuses what it is asked from now on, and the spec is changed."""

    def happens(life: Life) -> None:
        life.refuses = Refused(code, field, detail)
        life.change(onUncertain="Hold")

    return happens


def reports(*said: objects.Object) -> Happening:
    """Its pods report this."""
    return lambda life: life.report(*said)


def silent_for(seconds: float) -> Happening:
    """Its pods report nothing any more."""
    return lambda life: life.pass_seconds(seconds)


def limited_for(seconds: float) -> Happening:
    """For so long its pods have said that the provider makes them wait."""
    return lambda life: setattr(life, "limited_since", life.now - dt.timedelta(seconds=seconds))


def deployment_says(kind: str, status: str, reason: str, message: str) -> Happening:
    """The Deployment has no pods, and this condition."""
    condition = {"type": kind, "status": status, "reason": reason, "message": message}
    return lambda life: life.child(DEPLOYMENT).update(status={"conditions": [condition]})
