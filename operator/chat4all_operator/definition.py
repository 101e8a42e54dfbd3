"""Whether the API server serves the definition that this operator was made for.

Helm leaves an old definition in place where it was told to; the server would then drop what it does not know. The
document at /openapi/v3 is readable without rights in the whole cluster.
"""

from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.kinds import CONNECTOR

ADVICE: Final = "kubectl apply --server-side --force-conflicts -f k8s/crds/"
_SPEC: Final = frozenset(
    {
        *("channel", "state", "credentialsSecretRef", "config", "inbox", "rateLimit", "senderLabel", "onUncertain"),
        *("replicas", "autoscaling", "deletionPolicy"),
    }
)
_STATUS: Final = frozenset(
    {"observedGeneration", "conditions", "account", "replicas", "selector", "endpoint", "connectorId"}
)


async def problem(cluster: Cluster) -> str | None:
    """Return what is wrong with the definition, and the command that mends it; None: nothing is."""
    try:
        document = await cluster.schema(CONNECTOR.api)
    except ClusterError as error:
        if error.status == 404:
            return f"the cluster does not know {CONNECTOR.name}s ({CONNECTOR.api}): {ADVICE}"
        return f"the definition cannot be read: {error}"
    except UnreachableError as error:
        return f"the definition cannot be read: {error}"
    missing = [f"spec.{name}" for name in sorted(_SPEC - _fields(document, "spec"))]
    missing += [f"status.{name}" for name in sorted(_STATUS - _fields(document, "status"))]
    if missing:
        return f"the cluster's definition of {CONNECTOR.name} is older and lacks {', '.join(missing)}: {ADVICE}"
    return None


def _fields(document: Mapping[str, Any], part: str) -> frozenset[str]:
    for schema in document.get("components", {}).get("schemas", {}).values():
        kinds = schema.get("x-kubernetes-group-version-kind", [])
        if any(one.get("kind") == CONNECTOR.name for one in kinds):
            return frozenset(schema.get("properties", {}).get(part, {}).get("properties", {}))
    return frozenset()
