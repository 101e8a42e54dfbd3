"""A connector that works, and what happens to it: which conditions change, and that what runs goes on."""

from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.objects import report
from tests.unit.operator.situations import (
    AT_WORK,
    SILENT,
    Case,
    Happening,
    becomes,
    broken,
    change,
    check,
    comes_up,
    deployment_says,
    labelled,
    limited_for,
    nothing,
    refused,
    reports,
    silent_for,
    stalled,
    unknown,
    unread,
    working,
)

from chat4all_operator.kinds import DEPLOYMENT, SERVICE

PAUSED = dict.fromkeys(("Available", "Authenticated", "Registered", "Ready"), "False Paused")


def another_service(**owner: str) -> Happening:
    """There is a Service of the connector's name that somebody else made."""
    found = objects.theirs(SERVICE, **owner)
    return lambda life: life.children.update({(SERVICE, "connector-support"): found})


def paused(with_: Happening) -> Happening:
    """It is to stand still, and something else happens at the same time."""

    def happens(life: Life) -> None:
        with_(life)
        change(state="Paused")(life)

    return happens


def away(reason: str) -> Happening:
    return becomes(api_problem="It gives no answer.", api_reason=reason)


API = (
    Case("the API refuses a change", refused("resource.spec.inbox.members"), stalled("Accepted", "InboxInvalid")),
    Case(
        "the spec becomes nonsense", change(config={"colour": "red"}), unread("ConfigInvalid"), "spec.config.colour ("
    ),
    Case("the API is away", away("APIUnreachable"), unknown("APIUnreachable", *SILENT), "It gives no answer."),
    Case(
        "the API refuses a pause: what was accepted goes on",
        paused(refused("resource.spec.inbox.members")),
        stalled("Accepted", "InboxInvalid"),
    ),
    Case("the engines are down", away("EnginesUnavailable"), unknown("EnginesUnavailable", *SILENT)),
)
PODS = (
    Case("nothing", nothing, {}, "Messages go both ways."),
    Case("it is paused", change(state="Paused"), PAUSED, "Set it to Running"),
    Case("silent for 90 s", silent_for(90), {}),
    Case("silent for 91 s", silent_for(91), {**SILENT, "Ready": "Unknown NotReporting"}, "kubectl describe"),
    Case(
        "the token is refused to one of two pods",
        reports(
            report(),
            report("support-1", role="sends", authenticated=False, reason="TokenRefused", sentence="Not this token."),
        ),
        stalled("Authenticated", "TokenRefused"),
        "Not this token.",
    ),
    Case(
        "one of two pods was refused, and ended 91 s ago",
        reports(report(), report("support-1", authenticated=False, reason="TokenRefused", at="2026-03-01T11:58:29Z")),
        {},
    ),
    Case(
        "its bot is another connector's",
        reports(report(role="sends", registered=None, reason="DuplicateAccount")),
        stalled("Registered", "DuplicateAccount"),
    ),
    Case(
        "its provider is away",
        reports(report(authenticated=None, registered=None, reason="ProviderUnreachable")),
        unknown("ProviderUnreachable", "Authenticated", "Registered"),
    ),
    Case(
        "nothing comes in", reports(report(registered=False, reason="HookFailing")), broken("Registered", "HookFailing")
    ),
    Case("no pod receives", reports(report(role="sends")), unknown("NotReporting", "Registered")),
    Case(
        "one that only sends knows of no webhook",
        reports(report(), report("support-1", role="sends", registered=None)),
        {},
    ),
    Case("it has to wait for 29 s", limited_for(29), {}),
    Case("it has to wait for 30 s", limited_for(30), {"RateLimited": "True RateLimited"}, "Messages go both ways."),
)
CLUSTER = (
    Case(
        "a quota refuses its pods",
        deployment_says("ReplicaFailure", "True", "FailedCreate", "pods is forbidden: exceeded quota: small"),
        stalled("Available", "PodsRefused"),
        "exceeded quota: small",
    ),
    Case(
        "its pods do not come up",
        deployment_says("Progressing", "False", "ProgressDeadlineExceeded", "It has timed out."),
        broken("Available", "PodsNotReady"),
        "It has timed out. See kubectl describe",
    ),
    Case(
        "somebody's Service", another_service(), stalled("Available", "NameTaken"), "a Service connector-support that"
    ),
    Case(
        "somebody's Service, and it is paused",
        paused(another_service()),
        PAUSED | stalled("Available", "NameTaken"),
        "delete or rename it",
    ),
    Case(
        "a Service of something else of its name",
        another_service(kind="Gadget", name="support", uid=objects.OTHER_UID),
        stalled("Available", "NameTaken"),
        "delete or rename it",
    ),
    Case(
        "a Service of the connector before it",
        another_service(kind="ChannelConnector", name="support", uid=objects.OTHER_UID),
        broken("Available", "Replacing"),
        "is being deleted",
    ),
)


@labelled((*API, *PODS, *CLUSTER))
def test_what_its_conditions_say(case: Case) -> None:
    life = working()
    case.happens(life)
    life.settle()
    check(life, case)
    assert (DEPLOYMENT, "connector-support") in life.children, "what runs goes on"


@labelled((*API, *PODS, *CLUSTER))
def test_it_works_again_when_that_is_over(case: Case) -> None:
    life = working()
    case.happens(life)
    life.settle()
    life.api_problem = life.api_reason = ""
    life.refuses = life.limited_since = None
    life.children.pop((SERVICE, "connector-support"), None)
    life.change(state="Running", config={})
    life.settle()
    comes_up(life)
    assert life.conditions() == AT_WORK


def test_a_pause_is_told_before_what_is_away() -> None:
    life = Life({"state": "Paused"})
    life.settle()
    away("APIUnreachable")(life)
    life.settle()
    assert life.conditions()["Ready"] == "False Paused"
    assert "Stalled" not in life.conditions()
