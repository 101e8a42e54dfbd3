"""The operator's decisions: from what is observed of one connector to what is to be done. Pure: it asks nobody.

A plan never writes what is there already, so that a connector at rest costs nothing, and one that was half done when
the operator ended is gone on with.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat4all_operator import acceptance, children, conditions, credentials, deletion, kinds, reports
from chat4all_operator.acceptance import Accepted
from chat4all_operator.availability import available
from chat4all_operator.children import Manifest
from chat4all_operator.conditions import Condition
from chat4all_operator.drift import covers, picked
from chat4all_operator.kinds import DEPLOYMENT, DIGEST, FINALIZER, TEMPLATE, UID_LABEL, Kind
from chat4all_operator.observed import Observed
from chat4all_operator.plan import Apply, Delete, Finalizers, Forget, Note, Plan, Register, Scale, Status, Step
from chat4all_operator.texts import cut

_SOON_SECONDS: Final = 2.0
_MAX_ACCOUNT: Final = 200  # characters of an account's name
_LEAVING: Final = "It is being deleted: its provider is told first."
_WAS_PAUSED: Final = "It was Paused when its spec was last accepted: nothing is sent or taken, and what comes waits."
_PAUSED: Final = "spec.state is Paused: nothing is sent or taken, and what comes waits. Set it to Running to go on."


def reconcile(observed: Observed) -> Plan:
    """Return what is to be done about a connector now."""
    if "deletionTimestamp" in observed.resource["metadata"]:
        return _leaving(observed, deletion.plan(observed))
    accepted, own = acceptance.examine(observed)
    if accepted is None:
        return _ended(observed, [], [own, *_rest(own)], None)
    resolved = credentials.resolved(children.secret_name(observed), observed.secret, accepted.manifest)
    registered = is_registered(observed, accepted)
    own = acceptance.answered(observed, own, registered=registered)
    steps: list[Step] = [*_finalizer(observed, accepted)]
    if not registered and _can_register(observed):
        return Plan((*steps, Register(accepted.body)))  # whether it is taken decides what is made of it
    if own.status == "False":  # what runs goes on as it was last accepted
        return _ended(
            observed, steps, [own, resolved, *_reported(observed, _last_accepted(observed, accepted), None)], None
        )
    if observed.own_row is None:  # no child is touched before the connector is known to be this operator's
        there = (DEPLOYMENT, children.child_name(observed.name)) in observed.children
        waits = None if there else own._replace(type="Available")
        return _ended(
            observed, steps, [own, resolved, *_reported(observed, accepted, waits)], observed.asks_again_seconds
        )
    taken = _taken(observed)
    built, again = _children(observed, accepted, start=resolved.ok)
    steps += built
    parts = [own, resolved, *_reported(observed, accepted, taken)]
    return _ended(observed, steps, parts, again or observed.asks_again_seconds, accepted)


def _leaving(observed: Observed, plan: Plan) -> Plan:
    """The plan of a deletion, with a status that says what is waited for."""
    if FINALIZER not in observed.finalizers or any(isinstance(step, Finalizers) for step in plan.steps):
        return plan
    status = observed.resource.get("status")
    before = status if isinstance(status, Mapping) else {}
    ends = any(isinstance(step, Forget) for step in plan.steps)
    ready = Condition("Ready", "False", "Deleting", deletion.ENDING if ends else observed.api_problem or _LEAVING)
    found = before.get("conditions")
    found = [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    kept = [dict(one) for one in found if one.get("type") in {*conditions.SUMMED, "RateLimited"}]
    written = conditions.written(found, [ready], observed.generation, observed.now)
    value = {**before, "observedGeneration": observed.generation, "conditions": [*kept, *written]}
    if value == before:
        return plan
    steps = (Status(value), *plan.steps) if ends else (*plan.steps, Status(value))
    return dataclasses.replace(plan, steps=steps)


def is_registered(observed: Observed, accepted: Accepted) -> bool:
    """Return whether the row is what the resource asks for."""
    row = observed.own_row
    if row is None:
        return False
    if observed.taken:  # the API may write a spec down in another way
        return True
    wanted = accepted.connector.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    state = accepted.connector.spec.state
    return row.state == state and {**row.spec, "state": state} == {**wanted, "state": state}


def _can_register(observed: Observed) -> bool:
    return observed.may_ask and observed.refused is None


def _finalizer(observed: Observed, accepted: Accepted) -> list[Step]:
    """Before anything is registered that has to be taken back, the finalizer is there."""
    wants = accepted.connector.spec.deletion_policy == "Unregister"
    if wants == (FINALIZER in observed.finalizers):
        return []
    others = [one for one in observed.finalizers if one != FINALIZER]
    return [Finalizers((*others, FINALIZER) if wants else tuple(others))]


def _taken(observed: Observed) -> Condition | None:
    """Whether one of its children's names is somebody else's."""
    for (kind, name), found in observed.children.items():
        if kind is kinds.JOB:
            continue
        owner = _controller(found)
        ours = not owner and found["metadata"].get("labels", {}).get(UID_LABEL) == observed.uid
        if owner.get("uid") == observed.uid or ours:  # somebody has taken only its owner away, which is repaired
            continue
        if (owner.get("kind"), owner.get("name")) == (kinds.CONNECTOR.name, observed.name):
            return Condition(
                "Available",
                "False",
                "Replacing",
                f"{kind.name} {name} of the connector before this one is being deleted.",
            )
        return Condition(
            "Available", "False", "NameTaken", f"There is a {kind.name} {name} that is not this connector's: delete or "
            "rename it, or give this connector another name.",
        )  # fmt: skip
    return None


def _children(observed: Observed, accepted: Accepted, *, start: bool) -> tuple[list[Step], float | None]:
    """What has to be applied and deleted, and when to look again. `start`: whether a first pod may be made."""
    if _taken(observed) is not None:
        return [], _SOON_SECONDS
    runs = start or (DEPLOYMENT, children.child_name(observed.name)) in observed.children
    limited = reports.limited(observed).ok
    webhook = acceptance.mode(observed, accepted.config) == "Webhook"
    made = children.wanted(observed, replicas=replicas(accepted), webhook=webhook, limited=limited)
    if not runs:  # only the way in, so that its provider is told to come again, and not that there is nobody
        made = [one for one in made if one[0] in children.WAYS_IN]
    steps: list[Step] = []
    for kind, manifest in made:
        steps += _child(observed, kind, manifest)
    there = {kind for kind, _ in made}
    for (kind, child), found in observed.children.items():
        if kind not in there and kind is not kinds.JOB and not _is_going(found):
            steps.append(Delete(kind, child, found["metadata"]["uid"]))
    waits = any(isinstance(step, Scale) for step in steps) or _waits_to_roll(observed, made)
    return steps, (_SOON_SECONDS if waits else None)


def _child(observed: Observed, kind: Kind, manifest: Manifest) -> list[Step]:
    found = observed.children.get((kind, manifest["metadata"]["name"]))
    if found is None:
        return [Apply(kind, manifest, force=False)]  # there may be one of somebody else's that was not seen yet
    same = found["metadata"].get("annotations", {}).get(DIGEST) == manifest["metadata"]["annotations"][DIGEST]
    if _is_going(found) or (same and _stands(observed, kind, found, manifest)):
        return []
    if kind is DEPLOYMENT and not observed.may_roll and _rolls(found, manifest):
        wanted = manifest["spec"]["replicas"]
        return [] if found["spec"].get("replicas") == wanted else [Scale(kind, manifest["metadata"]["name"], wanted)]
    return [Apply(kind, manifest)]


def _stands(observed: Observed, kind: Kind, found: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether every field of ours is as it was applied, or as the server wrote it down then."""
    if covers(found, manifest):
        return True
    answer = observed.answers.get((kind, manifest["metadata"]["name"]))
    if answer is None or answer["metadata"]["uid"] != found["metadata"]["uid"]:
        return False
    as_applied = answer["metadata"].get("annotations", {}).get(DIGEST) == manifest["metadata"]["annotations"][DIGEST]
    return as_applied and covers(found, picked(answer, manifest))


def _waits_to_roll(observed: Observed, made: Sequence[tuple[Kind, Manifest]]) -> bool:
    if not made or made[0][0] is not DEPLOYMENT:
        return False
    kind, manifest = made[0]
    found = observed.children.get((kind, manifest["metadata"]["name"]))
    return found is not None and not observed.may_roll and _rolls(found, manifest)


def _rolls(found: Mapping[str, Any], manifest: Manifest) -> bool:
    """Whether applying replaces pods that run."""
    before = found["metadata"].get("annotations", {}).get(TEMPLATE)
    return bool(found["spec"].get("replicas")) and before != manifest["metadata"]["annotations"][TEMPLATE]


def replicas(accepted: Accepted) -> int:
    """Return how many pods there are to be: no more than partitions, none while it is paused.

    There are as many as autoscaling says at least: where somebody has left replicas out of what they apply, it is 1
    until the autoscaler has looked.
    """
    spec = accepted.connector.spec
    if spec.state == "Paused":
        return 0
    least = spec.autoscaling.min_replicas if spec.autoscaling is not None and spec.replicas > 0 else 0
    return min(max(spec.replicas, least), children.PARTITIONS)


def _last_accepted(observed: Observed, accepted: Accepted) -> Accepted:
    """By what a connector goes on whose newest spec is refused: the state and the number of pods from before."""
    row, spec = observed.own_row, accepted.connector.spec
    if row is None:
        return accepted
    before = {"state": row.state, "replicas": int(row.spec.get("replicas", 1))}
    connector = accepted.connector.model_copy(update={"spec": spec.model_copy(update=before)})
    return accepted._replace(connector=connector)


def _reported(observed: Observed, accepted: Accepted, taken: Condition | None) -> list[Condition]:
    """The conditions that depend on pods."""
    if accepted.connector.spec.state == "Paused":
        said = _PAUSED if observed.spec.get("state") == "Paused" else _WAS_PAUSED
        paused = [Condition(one, "False", "Paused", said) for one in ("Available", "Authenticated", "Registered")]
        limited = Condition("RateLimited", "False", "NotLimited", "Nothing is sent.")
        return [taken or paused[0], *paused[1:], limited]
    found = reports.fresh(observed)
    deployment = observed.children.get((DEPLOYMENT, children.child_name(observed.name)))
    spec = accepted.connector.spec
    most = spec.autoscaling.max_replicas if spec.autoscaling else 0
    return [
        taken or available(deployment, spec.replicas, replicas(accepted), most),
        reports.authenticated(observed, found),
        reports.registered(observed, found),
        reports.limited(observed),
    ]


def _rest(own: Condition) -> list[Condition]:
    """Conditions of a resource that cannot be read: nothing more is known of it."""
    names = ("CredentialsResolved", "Available", "Authenticated", "Registered", "RateLimited")
    return [Condition(one, "Unknown", own.reason, "Nothing can be said before the spec is accepted.") for one in names]


def _ended(
    observed: Observed,
    steps: list[Step],
    parts: Sequence[Condition],
    again: float | None,
    accepted: Accepted | None = None,
) -> Plan:
    """The plan with the status, where nothing else is left to do: what is done changes what the status says."""
    if observed.child_refused:
        return _refused(observed, steps, parts, accepted)
    ready = conditions.ready(parts)
    if not any(isinstance(step, Register | Finalizers) or _makes_pods(observed, step) for step in steps):
        steps += _status(observed, [*parts, *conditions.stalled(ready), ready], accepted)
    return Plan(tuple(steps), again, ready.status, ready.reason)


def _refused(observed: Observed, steps: list[Step], parts: Sequence[Condition], accepted: Accepted | None) -> Plan:
    """The plan while the API server refuses a child: the status says so first, and the child is tried again."""
    refusal = Condition("Available", "False", "ChildRefused", f"The cluster does not take its {observed.child_refused}")
    parts = [refusal if one.type == "Available" and one.reason != "Paused" else one for one in parts]
    ready = conditions.ready(parts)
    said = _status(observed, [*parts, *conditions.stalled(ready), ready], accepted)
    return Plan((*said, *steps), None, ready.status, ready.reason)


def _makes_pods(observed: Observed, step: Step) -> bool:
    """Whether it makes the Deployment, of which the status will tell."""
    if not isinstance(step, Apply) or step.kind is not DEPLOYMENT:
        return False
    return (DEPLOYMENT, children.child_name(observed.name)) not in observed.children


def _status(observed: Observed, all_of_them: Sequence[Condition], accepted: Accepted | None) -> list[Step]:
    before = observed.resource.get("status")
    before = before if isinstance(before, Mapping) else {}
    found = before.get("conditions")
    deployment = observed.children.get((DEPLOYMENT, children.child_name(observed.name)))
    webhook = accepted is not None and acceptance.mode(observed, accepted.config) == "Webhook"
    account = reports.account(reports.fresh(observed)) or str(before.get("account") or "")
    value: dict[str, Any] = {
        "observedGeneration": observed.generation,
        "conditions": conditions.written(
            found if isinstance(found, list) else [], all_of_them, observed.generation, observed.now
        ),
        "replicas": int(deployment.get("status", {}).get("replicas", 0)) if deployment else 0,
        "selector": ",".join(f"{key}={one}" for key, one in sorted(children.selector(observed).items())),
        "connectorId": f"{observed.world.namespace}.{observed.name}",
    }
    if account:
        value["account"] = cut(account, _MAX_ACCOUNT)
    if webhook:
        value["endpoint"] = children.endpoint(observed)
    elif accepted is None and before.get("endpoint"):
        value["endpoint"] = before["endpoint"]
    if value == before:
        return []
    return [Status(value), *_notes(found if isinstance(found, list) else [], all_of_them[-1])]


def _notes(before: Sequence[Any], ready: Condition) -> list[Step]:
    """An event where Ready has another status or reason than before."""
    old = next((one for one in before if isinstance(one, Mapping) and one.get("type") == "Ready"), {})
    if (old.get("status"), old.get("reason")) == (ready.status, ready.reason) or ready.status == "Unknown":
        return []
    if ready.reason == "Paused" and old.get("reason") in {None, "Pending"}:  # as it was made: that is no news
        return []
    normal = ready.ok or ready.reason in {"Paused", "Starting", "Progressing", "Replacing"}
    return [Note("Normal" if normal else "Warning", ready.reason, ready.message)]


def _controller(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference to an object's controller; empty where it has none."""
    return next((one for one in found["metadata"].get("ownerReferences", ()) if one.get("controller")), {})


def _is_going(found: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in found["metadata"]
