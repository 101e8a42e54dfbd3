"""Whether a connector's pods run, as its Deployment tells it."""

from collections.abc import Mapping
from typing import Any

from chat4all_operator.children import PARTITIONS
from chat4all_operator.conditions import Condition


def available(deployment: Mapping[str, Any] | None, asked: int, wanted: int, most: int = 0) -> Condition:
    """Return the condition Available. `asked`: replicas of the spec; `wanted`: those that can have something to do;
    `most`: how many an autoscaler may ask for."""
    if deployment is None:
        return Condition("Available", "False", "Starting", "Its pods are made when all else is there.")
    status = deployment.get("status", {})
    if failure := _of_type(status, "ReplicaFailure"):
        return Condition(
            "Available", "False", "PodsRefused", f"The cluster takes no more pods: {failure.get('message', '')}"
        )
    if wanted == 0:
        return Condition("Available", "False", "NoReplicas", "spec.replicas is 0: kubectl scale it to 1 or more.")
    ready = int(status.get("availableReplicas", 0))
    if ready == 0:
        return _unavailable(status)
    if asked > wanted or most > PARTITIONS:
        what = f"{wanted} of {asked} replicas run" if asked > wanted else f"maxReplicas {most} is cut to {PARTITIONS}"
        why = f"a connector's topic has {PARTITIONS} partitions, and more pods would have nothing to do."
        return Condition("Available", "True", "ReplicasCapped", f"{what}: {why}")
    return Condition("Available", "True", "Available", "A pod is ready.")


def _unavailable(status: Mapping[str, Any]) -> Condition:
    progress = _of_type(status, "Progressing", "False")
    if progress is not None:
        return Condition(
            "Available",
            "False",
            "PodsNotReady",
            f"{progress.get('message', '')} See kubectl describe and logs of its pods.",
        )
    return Condition("Available", "False", "Progressing", "Its pods start; kubectl describe and logs of them say more.")


def _of_type(status: Mapping[str, Any], kind: str, wanted: str = "True") -> Mapping[str, Any] | None:
    found: list[Mapping[str, Any]] = status.get("conditions") or []
    return next((one for one in found if one.get("type") == kind and one.get("status") == wanted), None)
