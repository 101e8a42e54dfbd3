"""A child that the API server does not take is said, and tried again; it holds up nothing else."""

import dataclasses

import pytest
from tests.unit.operator.life import Life
from tests.unit.operator.objects import report
from tests.unit.operator.situations import working

from chat4all_operator.plan import Apply, Register, Status
from chat4all_operator.reconcile import reconcile

REFUSAL = "HorizontalPodAutoscaler: exceeded quota: counts, requested: count/hpa=1"


def registered() -> Life:
    """Its registration is there, and no child of it."""
    life = Life()
    while not any(isinstance(one, Apply) for one in life.plan().steps):
        for step in life.plan().steps:
            life.take(step)
    return life


@pytest.mark.parametrize("begin", [registered, working])
def test_the_status_says_so_before_it_is_tried_again(begin) -> None:
    life = begin()
    plan = reconcile(dataclasses.replace(life.observed(), child_refused=REFUSAL))
    assert (plan.ready, plan.reason) == ("False", "ChildRefused")
    assert isinstance(plan.steps[0], Status)
    conditions = {one["type"]: one for one in plan.steps[0].value["conditions"]}
    assert conditions["Available"]["message"] == f"The cluster does not take its {REFUSAL}"
    assert conditions["Stalled"]["status"] == "True"
    kinds = [type(one) for one in plan.steps]
    assert Register not in kinds
    assert (Apply in kinds) is (begin is registered)


@pytest.mark.parametrize("reason", ["HookFailing", "EngineUnavailable"])
def test_what_keeps_messages_from_coming_in_is_no_good_registration(reason: str) -> None:
    life = working()
    life.report(report(reason=reason, sentence="It does not get through."))
    life.settle()
    assert life.conditions()["Registered"] == f"False {reason}"
    assert life.conditions()["Ready"] == f"False {reason}"


def test_a_pod_that_has_only_just_started_takes_nothing_from_what_another_knows() -> None:
    life = working(spec={"replicas": 2})
    life.report(report(), report("support-1", role="sends", authenticated=None, registered=None, reason="Starting"))
    life.settle()
    assert life.conditions()["Authenticated"] == "True Authenticated"


@pytest.mark.parametrize("reason", ["Paused", "Disabled"])
def test_what_a_pod_said_at_its_end_says_nothing_of_the_next(reason: str) -> None:
    life = working()
    life.report(report(), report("support-old", authenticated=None, registered=None, reason=reason))
    life.settle()
    assert life.conditions()["Ready"] == "True Ready"
