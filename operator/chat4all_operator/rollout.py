"""How many connectors are replaced at once when the pod that they are made from has changed."""

from collections.abc import Mapping
from typing import Any

from chat4all_operator.children import child_name
from chat4all_operator.kinds import DEPLOYMENT, TEMPLATE
from chat4all_operator.plan import Apply, Plan
from chat4all_operator.seen import Seen

Object = Mapping[str, Any]


class Rollout:
    """At most `most` connectors are being replaced at any time. One whose new pods do not come up keeps its old ones,
    and its place until its Deployment says that it has given up."""

    def __init__(self, seen: Seen, most: int) -> None:
        self._seen = seen
        self._most = most
        self._begun: dict[str, str] | None = None  # the digest of the pod that each is to have

    def may_begin(self, connector: str) -> bool:
        """Return whether this connector may be replaced now."""
        begun = self._found() if self._begun is None else self._begun
        if connector not in begun:
            begun = {name: one for name, one in begun.items() if self._is_going_on(name, one)}
        self._begun = begun
        return connector in begun or len(begun) < self._most

    def note(self, connector: str, plan: Plan) -> None:
        """Note what a plan is about to replace; nothing else runs between the decision and this. A plan that replaces
        nothing gives the place back."""
        begun = self._begun = self._found() if self._begun is None else self._begun
        before = self._seen.get(DEPLOYMENT, child_name(connector))
        applied = (one for one in plan.steps if isinstance(one, Apply) and one.kind is DEPLOYMENT)
        wanted = next((_template(one.manifest) for one in applied), None)
        if before is None or (wanted is None and not is_rolling(before)):
            begun.pop(connector, None)
        elif wanted is not None and wanted != _template(before):
            begun[connector] = wanted

    def _is_going_on(self, connector: str, wanted: str) -> bool:
        """Whether it is yet to be applied, or its pods are being replaced."""
        found = self._seen.get(DEPLOYMENT, child_name(connector))
        return found is not None and (_template(found) != wanted or is_rolling(found))

    def _found(self) -> dict[str, str]:
        """What the operator before this one has begun: pods of an older template are still there."""
        found = {one["metadata"]["name"].removeprefix(child_name("")): one for one in self._seen.all(DEPLOYMENT)}
        return {name: _template(one) for name, one in found.items() if is_rolling(one) and _has_old_pods(one)}


def is_rolling(deployment: Object) -> bool:
    """Return whether a Deployment is still replacing pods, and has not given up."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 0)
    if int(status.get("observedGeneration", 0)) < int(deployment["metadata"].get("generation", 0)):
        return True
    if any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions", ())):
        return False
    counts = ("updatedReplicas", "availableReplicas")
    return any(int(status.get(one, 0)) < wanted for one in counts) or int(status.get("replicas", 0)) > wanted


def _has_old_pods(deployment: Object) -> bool:
    status = deployment.get("status", {})
    return int(status.get("replicas", 0)) > int(status.get("updatedReplicas", 0))


def _template(found: Object) -> str:
    return str(found["metadata"].get("annotations", {}).get(TEMPLATE, ""))
