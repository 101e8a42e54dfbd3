"""What a connector's pods say of themselves, summed up: the worst of them, the one that receives, how long it waits."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat4all_operator.conditions import Condition, parsed
from chat4all_operator.observed import Observed

FRESH_SECONDS: Final = 90.0
LIMITED_SECONDS: Final = 30.0  # without interruption, before it is said
_NOT_ITS_ACCOUNT: Final = frozenset({"DuplicateAccount", "OtherAccount"})  # so that no pod of it will receive

_FAILING: Final = frozenset({"HookFailing", "EngineUnavailable"})  # what comes in does not reach us, whatever is set
_AT_REST: Final = frozenset({"Paused", "Disabled"})  # what a pod that is about to end said last

Report = Mapping[str, Any]


def fresh(observed: Observed) -> list[Report]:
    """Return the reports that are young enough to count, the same order for the same pods."""
    reports = observed.row.reports if observed.row is not None and observed.row.uid == observed.uid else ()
    found = [one for one in reports if _age(one, observed.now) <= FRESH_SECONDS and one.get("reason") not in _AT_REST]
    return sorted(found, key=lambda one: str(one.get("pod")))


def authenticated(observed: Observed, reports: Sequence[Report]) -> Condition:
    """Return the condition Authenticated: the worst that a pod says."""
    if unknown := _unknown("Authenticated", observed, reports):
        return unknown
    refused = [one for one in reports if one.get("authenticated") is False]
    known = any(one.get("authenticated") is not None for one in reports)
    # A pod that has only just started knows nothing yet, and takes nothing from what the others know.
    unsure = [one for one in reports if one.get("authenticated") is None and not (known and _is_new(one))]
    if refused:
        return _said("Authenticated", "False", refused[0])
    if unsure:
        return _said("Authenticated", "Unknown", unsure[0])
    return Condition("Authenticated", "True", "Authenticated", "The provider takes the credentials.")


def registered(observed: Observed, reports: Sequence[Report]) -> Condition:
    """Return the condition Registered, of the pod that receives."""
    if unknown := _unknown("Registered", observed, reports):
        return unknown
    if refused := next((one for one in reports if one.get("reason") in _NOT_ITS_ACCOUNT), None):
        return _said("Registered", "False", refused)
    receiving = [one for one in reports if one.get("role") == "receives"]
    if not receiving:
        return Condition("Registered", "Unknown", "NotReporting", "No pod says that it receives; one is about to.")
    bad = [one for one in receiving if one.get("registered") is not True or one.get("reason") in _FAILING]
    if len(bad) == len(receiving):
        worst = min(bad, key=lambda one: one.get("registered") is None)
        return _said("Registered", "Unknown" if worst.get("registered") is None else "False", worst)
    return Condition("Registered", "True", "Registered", "What people write comes in.")


def limited(observed: Observed) -> Condition:
    """Return the condition RateLimited: whether the provider has made the connector wait for some time."""
    since = observed.limited_since
    if since is not None and (observed.now - since).total_seconds() >= LIMITED_SECONDS:
        return Condition(
            "RateLimited",
            "True",
            "RateLimited",
            "The provider takes no more for now; messages wait and are sent later.",
        )
    return Condition("RateLimited", "False", "NotLimited", "The provider takes what is sent.")


def is_limited(reports: Sequence[Report]) -> bool:
    """Return whether a pod says that the provider makes the connector wait. A time that is just past says so too: it is
    being tried again."""
    return any(one.get("rateLimitedUntil") for one in reports)


def account(reports: Sequence[Report]) -> str:
    """Return the account's name, or "" where no pod knows it."""
    return next((str(one["accountName"]) for one in reports if one.get("accountName")), "")


def _unknown(kind: str, observed: Observed, reports: Sequence[Report]) -> Condition | None:
    if observed.api_problem:
        return Condition(kind, "Unknown", observed.api_reason, observed.api_problem)
    if not reports:
        return Condition(
            kind,
            "Unknown",
            "NotReporting",
            "No pod of it says how it is; kubectl describe and logs of its pods say more.",
        )
    return None


def _said(kind: str, status: Any, report: Report) -> Condition:
    return Condition(
        kind, status, str(report.get("reason") or "Unknown"), str(report.get("sentence") or "It says no more.")
    )


def _is_new(report: Report) -> bool:
    return report.get("reason") == "Starting"


def _age(report: Report, now: dt.datetime) -> float:
    at = parsed(report.get("at"))
    return (now - at).total_seconds() if at is not None else float("inf")
