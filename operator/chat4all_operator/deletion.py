"""How a connector goes: its provider is told, its registration ends, and only then does the resource.

Every way ends within a bounded time. What could not be told is given up, with an event that says what is left.
"""

from typing import Final

from chat4all_operator import children, reports
from chat4all_operator.acceptance import stripped
from chat4all_operator.conditions import parsed
from chat4all_operator.kinds import DEPLOYMENT, FINALIZER, JOB
from chat4all_operator.observed import Observed, Row
from chat4all_operator.plan import Create, Delete, Finalizers, Forget, Note, Plan, Register, Step

_SOON_SECONDS: Final = 2.0
_LEFT: Final = "The provider may still have its webhook: remove it there, with the bot's token."
_TOLD: Final = Note("Normal", "Unregistered", "The provider has been told, and the registration is deleted.")
_API_SECONDS: Final = 45.0  # that a deletion waits for an API that does not answer


def plan(observed: Observed) -> Plan:
    """Return what is to be done about a connector that is being deleted."""
    if FINALIZER not in observed.finalizers:
        return Plan(reason="Deleting")
    if observed.api_problem or not observed.rows_seen:
        if _seconds(observed) < _API_SECONDS:
            return _from_row(observed) if observed.may_ask else _wait()
        return _done(observed, Note("Warning", "UnregisterGivenUp", f"{observed.api_problem or 'No answer.'} {_LEFT}"))
    return _from_row(observed)


def _from_row(observed: Observed) -> Plan:
    row = observed.row
    if row is None or row.uid != observed.uid or row.managed_by != observed.world.managed_by:
        return _done(observed)
    return _end(observed, row) or _go_on(observed, row)


def _end(observed: Observed, row: Row) -> Plan | None:
    """The end of the registration, where nothing is left to be told to the provider; None: something is."""
    never_there = row.account is None and not any(one.get("registered") for one in row.reports)
    if never_there or row.state == "Removing":
        return _forget()
    if any(one.get("unregistered") for one in row.reports):
        return _forget(_TOLD)
    if row.state == "Unregistering" and _seconds(observed) > observed.world.unregister_seconds:
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
    since = parsed(observed.resource["metadata"]["deletionTimestamp"])
    return (observed.now - since).total_seconds() if since is not None else 0.0
