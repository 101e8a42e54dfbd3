"""How conditions are summed up and written."""

import datetime as dt

import pytest
from tests.unit.operator.objects import NOON

from chat4all_operator.conditions import STALLING, Condition, State, parsed, ready, rfc3339, stalled, written

OK = tuple(
    Condition(kind, "True", "Ok", "It is.")
    for kind in ("Accepted", "CredentialsResolved", "Available", "Authenticated", "Registered")
)
LIMITED = Condition("RateLimited", "True", "RateLimited", "It waits.")
OLD = "2026-01-01T00:00:00Z"


def but(**changed: tuple[State, str]) -> list[Condition]:
    return [
        Condition(one.type, *changed[one.type], f"{changed[one.type][1]} it is.") if one.type in changed else one
        for one in OK
    ]


@pytest.mark.parametrize(
    ("parts", "status", "reason"),
    [
        (OK, "True", "Ready"),
        ((*OK, LIMITED), "True", "Ready"),
        (but(Registered=("Unknown", "NotReporting")), "Unknown", "NotReporting"),
        (but(Registered=("False", "HookFailing")), "False", "HookFailing"),
        (but(Accepted=("Unknown", "Registering"), Registered=("False", "HookFailing")), "False", "HookFailing"),
        (
            but(Available=("False", "Starting"), CredentialsResolved=("False", "SecretMissing")),
            "False",
            "SecretMissing",
        ),
        (but(Authenticated=("Unknown", "A"), Accepted=("Unknown", "B")), "Unknown", "B"),
    ],
)
def test_ready_is_what_the_others_come_to(parts: list[Condition], status: str, reason: str) -> None:
    found = ready(parts)
    assert (found.type, found.status, found.reason) == ("Ready", status, reason)
    if status != "True":
        assert found.message == f"{reason} it is."


def test_stalled_is_there_where_only_a_person_can_help() -> None:
    for reason in sorted(STALLING):
        assert stalled(Condition("Ready", "False", reason, "So.")) == [Condition("Stalled", "True", reason, "So.")]
        assert stalled(Condition("Ready", "Unknown", reason, "So.")) == []
    for reason in ("Paused", "NoReplicas", "Progressing", "Starting", "ProviderUnreachable", "APIUnreachable"):
        assert stalled(Condition("Ready", "False", reason, "So.")) == []


@pytest.mark.parametrize(
    ("before", "time"),
    [
        ([], rfc3339(NOON)),
        ([{"type": "Ready", "status": "True", "reason": "Other", "lastTransitionTime": OLD}], OLD),
        ([{"type": "Ready", "status": "False", "lastTransitionTime": OLD}], rfc3339(NOON)),
        ([{"type": "Accepted", "status": "True", "lastTransitionTime": OLD}], rfc3339(NOON)),
        ([{"type": "Ready", "status": "True"}], rfc3339(NOON)),
        ([{"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z"}], rfc3339(NOON)),
        (["Ready", None], rfc3339(NOON)),
    ],
)
def test_the_time_of_a_transition_moves_with_the_status_alone(before: list[object], time: str) -> None:
    (found,) = written(before, [Condition("Ready", "True", "Ready", "So.")], 4, NOON)
    assert found["lastTransitionTime"] == time
    assert found["observedGeneration"] == 4


def test_a_message_is_one_line_and_bounded() -> None:
    (found,) = written([], [Condition("Ready", "True", "Ready", "two\n lines" + "\U0001f600" * 2000)], 1, NOON)
    assert found["message"].startswith("two lines")
    assert len(found["message"]) <= 1024
    found["message"].encode()


def test_times() -> None:
    assert rfc3339(NOON) == "2026-03-01T12:00:00Z"
    assert (
        parsed("2026-03-01T12:00:00Z") == parsed("2026-03-01T13:00:00+01:00") == parsed("2026-03-01T12:00:00") == NOON
    )
    assert parsed("2026-03-01T12:00:00.250Z") == NOON + dt.timedelta(milliseconds=250)
    nonsense: tuple[object, ...] = (None, "", "yesterday", 3, {})
    assert {parsed(one) for one in nonsense} == {None}
