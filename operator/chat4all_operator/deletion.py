"""How a connector goes: its provider is told, its registration ends, and only then does the resource.

Every way ends within a bounded time. What could not be told is given up, with an event that says what is left.
"""

from collections.abc import Mapping
from typing import Final

from chat4all_operator import children, conditions, reports
from chat4all_operator.acceptance import stripped
from chat4all_operator.kinds import DEPLOYMENT, FINALIZER, JOB
from chat4all_operator.observed import Observed, Row
from chat4all_operator.plan import Create, Delete, Finalizers, Forget, Note, Plan, Register, Step

# Ready says so before a registration is deleted, so that an operator that comes after that finds it said.
ENDING: Final = "It is being deleted: its registration is, now."
_SOON_SECONDS: Final = 2.0
_LEFT: Final = "The provider may still have its webhook: remove it there, with the bot's token."
_TOLD: Final = Note("Normal", "Unregistered", "The provider has been told, and the registration is deleted.")
_PODS_SECONDS: Final = 20.0  # in which each pod has read that it is over
_API_SECONDS: Final = 45.0  # that a deletion waits for an API that does not answer, or not as it should


def plan(observed: Observed) -> Plan:
    """Return what is to be done about a connector that is being deleted."""
    if FINALIZER not in observed.finalizers:
        return Plan(reason="Deleting")
    if observed.spec.get("deletionPolicy") == "Retain":  # it was changed a moment before, while nobody looked
        return _done(observed)
    is_silent = bool(observed.api_problem) or not observed.rows_seen
    row = observed.own_row
    if row is None and not is_silent:
        return _without_registration(observed)
    if _seconds(observed) > _API_SECONDS + (0.0 if is_silent else observed.world.unregister_seconds):
        why = observed.api_problem or "Its registration could not be ended in time."
        return _done(observed, Note("Warning", "UnregisterGivenUp", f"{why} {_LEFT}"))
    if row is None or (is_silent and not observed.may_ask):
        return _wait()
    return _end(observed, row) or _go_on(observed, row)


def _end(observed: Observed, row: Row) -> Plan | None:
    """The end of the registration, where nothing is left to be told to the provider; None: something is."""
    never_there = row.account is None and not any(one.get("registered") for one in row.reports)
    if row.state == "Removing" or (never_there and observed.rows_are_newer and not _has_replicas(observed)):
        return _forget()
    told = [bool(one.get("unregistered")) for one in reports.fresh(observed)]
    # A pod that has not read yet that it is over could set the webhook once more: each is waited for, but not for long,
    # since one that has been killed says nothing.
    if any(told) and (all(told) or _seconds(observed) > _PODS_SECONDS):
        return _forget(_TOLD)
    if never_there and row.state == "Unregistering":  # its pods have read by then that they are not to come there
        return _forget() if _seconds(observed) > _PODS_SECONDS else _wait()
    if _seconds(observed) > observed.world.unregister_seconds:
        return _forget(Note("Warning", "UnregisterGivenUp", f"The provider was not told in time. {_LEFT}"))
    return None


def _go_on(observed: Observed, row: Row) -> Plan:
    """Have the connector's pods tell the provider, or a Job where there are none."""
    if row.state != "Unregistering":
        return Plan((Register(_as_registered(observed, row), unregister=True),), _SOON_SECONDS, reason="Deleting")
    return _wait() if _has_pods(observed) else _by_job(observed)


def _by_job(observed: Observed) -> Plan:
    """No pod can tell the provider: a Job does, if there is anything that it could tell it with."""
    if observed.secret is None:
        return _forget(Note("Warning", "UnregisterSkipped", f"Its Secret is gone. {_LEFT}"))
    job = observed.children.get((JOB, children.job_name(observed.name, observed.uid)))
    if job is None:
        return Plan((Create(JOB, children.unregister_job(observed)),), _SOON_SECONDS, reason="Deleting")
    ended = {one.get("type") for one in job.get("status", {}).get("conditions", ()) if one.get("status") == "True"}
    if "Complete" in ended:
        return _forget(_TOLD)
    if "Failed" in ended:
        return _forget(Note("Warning", "UnregisterGivenUp", f"The Job {job['metadata']['name']} failed. {_LEFT}"))
    return _wait()


def _without_registration(observed: Observed) -> Plan:
    """It has none, or the API does not know of it for now."""
    was_ended_before = not observed.has_met and conditions.found(observed.resource, "Ready").get("message") == ENDING
    if observed.is_forgotten or was_ended_before or observed.row is not None or not _was_registered(observed):
        return _done(observed)
    if _seconds(observed) <= _API_SECONDS + observed.world.unregister_seconds:
        return _wait()
    return _done(observed, Note("Warning", "UnregisterGivenUp", f"The API has no registration of it. {_LEFT}"))


def _was_registered(observed: Observed) -> bool:
    """Whether a registration was there: an API that has none of it now may be one with another database."""
    status = observed.resource.get("status")
    return (
        observed.has_met
        or (isinstance(status, Mapping) and bool(status.get("account")))
        or any(conditions.found(observed.resource, one).get("status") == "True" for one in ("Accepted", "Registered"))
    )


def _has_replicas(observed: Observed) -> bool:
    """Whether a pod of it may be about to come to its provider for the first time."""
    found = observed.children.get((DEPLOYMENT, children.child_name(observed.name)))
    return found is not None and bool(found["spec"].get("replicas") or found.get("status", {}).get("replicas"))


def _has_pods(observed: Observed) -> bool:
    found = observed.children.get((DEPLOYMENT, children.child_name(observed.name)))
    if found is None or "deletionTimestamp" in found["metadata"]:
        return False
    return bool(reports.fresh(observed)) and int(found.get("status", {}).get("readyReplicas", 0)) > 0


def _as_registered(observed: Observed, row: Row) -> dict[str, object]:
    """The resource as it was last registered: what it says by now may be nothing that anybody takes."""
    spec = {key: one for key, one in row.spec.items() if key not in {"state", "disabledAt"}}
    return {**stripped(observed), "spec": spec}


def _forget(note: Note | None = None) -> Plan:
    return Plan((Forget(), *((note,) if note else ())), reason="Deleting")


def _done(observed: Observed, note: Note | None = None) -> Plan:
    """Nothing is left: the resource may go, and a Job of it too."""
    others = tuple(one for one in observed.finalizers if one != FINALIZER)
    job = observed.children.get((JOB, children.job_name(observed.name, observed.uid)))
    left: list[Step] = [Delete(JOB, job["metadata"]["name"], job["metadata"]["uid"])] if job is not None else []
    return Plan((*((note,) if note else ()), *left, Finalizers(others)), reason="Deleting")


def _wait() -> Plan:
    return Plan((), _SOON_SECONDS, reason="Deleting")


def _seconds(observed: Observed) -> float:
    """How long there has been somebody to act: nothing is given up because no operator was there."""
    since = observed.going_since
    return (observed.now - since).total_seconds() if since is not None else 0.0
