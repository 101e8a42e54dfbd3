"""Finalizers of a connector, which have to go even from one that the definition in the cluster would not let in.

The API server looks at the whole object at every change, and not all that was wrong before is let through: a field of
the scale subresource that is of the wrong type is refused for ever, and so is what a rule cannot be asked about.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat4all_operator.cluster import Cluster, ClusterError
from chat4all_operator.kinds import CONNECTOR

_NOBODY: Final = "nobody"
# What the definition takes, whatever it is about. The connector is going, so that nobody looks at it.
_SPEC: Final[Mapping[str, Any]] = {
    "credentialsSecretRef": {"name": _NOBODY},
    "inbox": {"members": [_NOBODY]},
    "state": "Paused",
}


async def write(cluster: Cluster, connector: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Have it have exactly these finalizers, in the version that was seen; what the server answered.

    One that is being deleted and is not valid becomes valid with it. Raises ClusterError, UnreachableError.
    """
    metadata = connector["metadata"]
    change = {"metadata": {"finalizers": list(wanted), "resourceVersion": metadata["resourceVersion"]}}
    try:
        return await cluster.patch(CONNECTOR, metadata["name"], change)
    except ClusterError as error:
        if error.status != 422 or "deletionTimestamp" not in metadata:
            raise
    emptied = await cluster.patch(CONNECTOR, metadata["name"], {"status": None}, part="status")
    change["metadata"]["resourceVersion"] = emptied["metadata"]["resourceVersion"]
    return await cluster.patch(CONNECTOR, metadata["name"], {**change, "spec": _valid(connector)})


def _valid(connector: Mapping[str, Any]) -> Any:
    """A change that makes the spec valid: every field goes but the channel, which cannot be changed."""
    spec = connector.get("spec")
    fields = dict(spec) if isinstance(spec, Mapping) else {}
    channel = fields.get("channel")
    gone = dict.fromkeys(fields)
    return {**gone, **_SPEC, "channel": channel if isinstance(channel, str) else _NOBODY}
