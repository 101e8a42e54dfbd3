"""A connector that was only just made: what its conditions say, and whether pods are made for it."""

import pytest
from tests.unit.operator import objects
from tests.unit.operator.life import Life
from tests.unit.operator.situations import (
    NOT_STARTED,
    SILENT,
    Case,
    becomes,
    broken,
    change,
    check,
    labelled,
    nothing,
    stalled,
    unread,
)

from chat4all_operator.observed import Refused

REFUSALS = (
    ("invalid", "resource.spec.channel", "No such.", "ChannelNotInstalled", "registry.example/chat4all:1.2"),
    ("invalid", "resource.spec.config.mode", "Not a mode.", "ConfigInvalid", "spec.config.mode: Not a mode."),
    ("invalid", "resource.spec.config", "It has 20000 bytes.", "ConfigTooLarge", "20000 bytes"),
    ("invalid", "resource.spec.inbox.members", "There is no user ana.", "InboxInvalid", "is no user ana."),
    ("invalid", "resource.spec.rateLimit", "Too much.", "Invalid", "spec.rateLimit: Too much."),
    ("invalid", "", "Nobody knows.", "Invalid", "Nobody knows."),
    ("conflict", "", "shop.support is managed by Ana.", "Conflict", "by Ana. Delete the other one, or give"),
)
UNREAD = (
    Case("there is no such channel", change(channel="fax"), unread("UnknownChannel"), "There is: telegram."),
    Case("a config with an unknown field", change(config={"a": 1}), unread("ConfigInvalid"), "spec.config.a ("),
    Case("a config that is too large", change(config={"a": "x" * 17_000}), unread("ConfigTooLarge"), "16384"),
    Case("a field of another type", change(replicas="two"), unread("Invalid"), "spec.replicas ("),
    Case("no inbox", change(inbox=None), unread("Invalid"), "spec.inbox ("),
    Case("a webhook without an address", change(config={"mode": "Webhook"}), unread("NoPublicURL"), "hooks.publicURL"),
    Case(
        "autoscaling of pods that request no CPU",
        change(autoscaling={"maxReplicas": 3}),
        unread("NoRequests"),
        "connectors.resources.requests.cpu",
        {"template": objects.template(resources={"limits": {"cpu": "1"}})},
    ),
)


def test_its_pods_start() -> None:
    life = Life()
    assert life.conditions() == {"Ready": "Unknown Pending"}
    life.settle()
    check(life, Case("", nothing, {**SILENT, **broken("Available", "Progressing")}, "Its pods start"))
    assert life.kinds() == {"Deployment"}


@pytest.mark.parametrize(("code", "field", "detail", "reason", "says"), REFUSALS)
def test_the_internal_api_refuses_it(code: str, field: str, detail: str, reason: str, says: str) -> None:
    life = Life()
    becomes(refuses=Refused(code, field, detail))(life)
    life.settle()
    check(life, Case("", nothing, {**NOT_STARTED, **stalled("Accepted", reason)}, says))
    assert life.kinds() == set()


@labelled(UNREAD)
def test_it_cannot_be_worked_with(case: Case) -> None:
    life = Life(**case.given)
    case.happens(life)
    life.settle()
    check(life, case)
    assert life.kinds() == set()
    assert life.row is None, "what cannot be read is not registered"


@pytest.mark.parametrize("reason", ["APIUnreachable", "EnginesUnavailable", "APIRefuses"])
def test_the_internal_api_is_away(reason: str) -> None:
    life = Life()
    becomes(api_problem="The internal API does not answer.", api_reason=reason)(life)
    life.settle()
    found = life.conditions()
    about = ("Accepted", "Available", "Authenticated", "Registered", "Ready")
    assert {found[one] for one in about} == {f"Unknown {reason}"}
    assert found["CredentialsResolved"] == "True Resolved"
    assert life.kinds() == set(), "it may be another operator's"
    becomes(api_problem="", api_reason="")(life)
    life.settle()
    assert life.conditions()["Accepted"] == "True Accepted"


def test_the_internal_api_can_write_nothing() -> None:
    """It can be read: what failed was this one registration."""
    life = Life()
    becomes(api_problem="The internal API answered 503.", api_reason="EnginesUnavailable", asks_again_seconds=3.0)(life)
    life.settle()
    assert life.conditions()["Accepted"] == "Unknown EnginesUnavailable"
    assert life.conditions()["Ready"] == "Unknown EnginesUnavailable"
    assert (life.row, life.kinds()) == (None, set())
    assert life.plan().again_seconds == 3
    becomes(api_problem="", api_reason="", asks_again_seconds=None)(life)
    life.settle()
    assert life.conditions()["Accepted"] == "True Accepted"
