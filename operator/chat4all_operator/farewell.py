"""The end of an operator: finalizers that nobody would remove any more are removed, so that nothing hangs.

When a namespace is deleted, Kubernetes ends its pods first; then nobody is left to unregister anything, and what is at
the providers stays. When a release is uninstalled, its hook stops the operator, and connectors stand still until
another release takes them up.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator import finalizers
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.kinds import CONNECTOR, DEPLOYMENT, FINALIZER, MANAGER, POD

_logger = logging.getLogger(__name__)

_AT_ONCE: Final = 8
_LOOK_SECONDS: Final = 1.0
_TRIES: Final = 5


async def free(cluster: Cluster) -> int:
    """Remove our finalizer from every connector, several at a time. Return how many had it.

    Raises ClusterError, UnreachableError where they cannot be listed.
    """
    found = [one for one in (await cluster.list(CONNECTOR)).items if _has_it(one)]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one_of_them(connector: Mapping[str, Any]) -> None:
        async with turns:
            await _free(cluster, connector)

    await asyncio.gather(*(one_of_them(one) for one in found))
    return len(found)


async def stand_still(cluster: Cluster, operator: str, pods: str) -> str:
    """Stop the operator, remove finalizers, and scale connectors to nothing. Return what was done, in a sentence.

    `operator`: the name of its Deployment; `pods`: a label selector of its pods. Raises ClusterError, UnreachableError.
    """
    try:
        await cluster.patch(DEPLOYMENT, operator, {"spec": {"replicas": 0}})
    except ClusterError as error:
        if error.status != 404:
            raise
    while (await cluster.list(POD, labels=pods)).items:  # noqa: ASYNC110 - the hook that runs this has a deadline
        await asyncio.sleep(_LOOK_SECONDS)
    freed = await free(cluster)
    mine = await cluster.list(DEPLOYMENT, labels=f"app.kubernetes.io/managed-by={MANAGER}")
    for one in mine.items:
        if one["spec"].get("replicas"):
            await cluster.patch(DEPLOYMENT, one["metadata"]["name"], {"spec": {"replicas": 0}})
    return (
        f"The operator has stopped; {freed} connectors may be deleted without it, and {len(mine.items)} stand still. "
        "Their resources stay: another release in this namespace takes them up."
    )


async def _free(cluster: Cluster, connector: Mapping[str, Any]) -> None:
    name = connector["metadata"]["name"]
    for _ in range(_TRIES):
        try:
            found = await cluster.get(CONNECTOR, name)
            if found is None or not _has_it(found):
                return
            await finalizers.write(cluster, found, [one for one in found["metadata"]["finalizers"] if one != FINALIZER])
        except ClusterError as error:
            if error.status == 404:
                return
            _logger.warning("The finalizer of %s stays for now: %s", name, error)
        except UnreachableError as error:
            _logger.warning("The finalizer of %s stays for now: %s", name, error)
        else:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _has_it(connector: Mapping[str, Any]) -> bool:
    return FINALIZER in connector["metadata"].get("finalizers", ())
