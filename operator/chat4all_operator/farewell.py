"""The end of an operator: finalizers that nobody would remove any more are removed, so that nothing hangs.

When a namespace is deleted, Kubernetes ends its pods first; then nobody is left to unregister anything, and what is at
the providers stays. When a release is uninstalled, its hook stops the operator, and connectors stand still until a
release of the same name takes them up.
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator import finalizers
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.conditions import parsed
from chat4all_operator.kinds import CONNECTOR, DEPLOYMENT, FINALIZER, LEASE, MANAGER, POD
from chat4all_operator.lease import NAME

_logger = logging.getLogger(__name__)

_AT_ONCE: Final = 8
_LOOK_SECONDS: Final = 1.0
_TRIES: Final = 5
_NAMED: Final = 5  # connectors, in a message
_LATELY_SECONDS: Final = 120.0  # clocks of two machines may differ by some of it


class LeftError(Exception):
    """Some connectors still have our finalizer; the message names them."""


async def free(cluster: Cluster) -> int:
    """Remove our finalizer from every connector, several at a time. Return how many had it.

    Raises ClusterError, UnreachableError where they cannot be listed, LeftError where some cannot be changed.
    """
    found = [one for one in (await cluster.list(CONNECTOR)).items if _has_it(one)]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one_of_them(connector: Mapping[str, Any]) -> bool:
        async with turns:
            return await _free(cluster, connector)

    freed = await asyncio.gather(*(one_of_them(one) for one in found))
    left = [one["metadata"]["name"] for one, is_free in zip(found, freed, strict=True) if not is_free]
    if left:
        raise LeftError(
            f"The finalizer of {', '.join(left[:_NAMED])} stays, of {len(left)} in all: see the log for why."
        )
    return len(found)


async def free_in_time(cluster: Cluster, seconds: float) -> int:
    """Remove our finalizer from every connector, trying again until the time is over. Return how many had it.

    Raises ClusterError, UnreachableError, LeftError of the last try.
    """
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await free(cluster)
        except (ClusterError, UnreachableError, LeftError):
            if asyncio.get_running_loop().time() > until:
                raise
        await asyncio.sleep(_LOOK_SECONDS)


async def stand_still(cluster: Cluster, operator: str, release: str) -> str:
    """Stop the operator, remove finalizers, and scale connectors to nothing. Return what was done, in a sentence.

    `operator`: the name of its Deployment. What another release does in the namespace is left alone. Raises
    ClusterError, UnreachableError, LeftError.
    """
    try:
        await cluster.patch(DEPLOYMENT, operator, {"spec": {"replicas": 0}})
    except ClusterError as error:
        if error.status != 404:
            raise
    pods = f"app.kubernetes.io/instance={release},app.kubernetes.io/component=operator"
    while (await cluster.list(POD, labels=pods)).items:  # noqa: ASYNC110 - the hook that runs this has a deadline
        await asyncio.sleep(_LOOK_SECONDS)
    if other := await _holder_of_another_release(cluster, release):
        return f"The operator has stopped. The connectors of this namespace are run by {other}, and are left alone."
    freed = await free(cluster)
    ours = f"app.kubernetes.io/managed-by={MANAGER},app.kubernetes.io/instance={release}"
    mine = await cluster.list(DEPLOYMENT, labels=ours)
    for one in mine.items:
        if one["spec"].get("replicas"):
            await cluster.patch(DEPLOYMENT, one["metadata"]["name"], {"spec": {"replicas": 0}})
    return (
        f"The operator has stopped; {freed} connectors may be deleted without it, and {len(mine.items)} stand still. "
        f"Their resources stay: a release of the name {release} in this namespace takes them up."
    )


async def _holder_of_another_release(cluster: Cluster, release: str) -> str:
    """The operator that acts in this namespace, if it is of another release and has renewed its lease lately."""
    lease = await cluster.get(LEASE, NAME)
    spec = (lease or {}).get("spec") or {}
    holder, renewed = str(spec.get("holderIdentity") or ""), parsed(spec.get("renewTime"))
    lately = renewed is not None and (dt.datetime.now(dt.UTC) - renewed).total_seconds() < _LATELY_SECONDS
    return holder if holder and lately and not holder.startswith(f"{release}/") else ""


async def _free(cluster: Cluster, connector: Mapping[str, Any]) -> bool:
    """Whether it is free of our finalizer, or gone."""
    name = connector["metadata"]["name"]
    for _ in range(_TRIES):
        try:
            found = await cluster.get(CONNECTOR, name)
            if found is None or not _has_it(found):
                return True
            await finalizers.write(cluster, found, [one for one in found["metadata"]["finalizers"] if one != FINALIZER])
        except ClusterError as error:
            if error.status == 404:
                return True
            _logger.warning("The finalizer of %s stays for now: %s", name, error)
        except UnreachableError as error:
            _logger.warning("The finalizer of %s stays for now: %s", name, error)
        else:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


def _has_it(connector: Mapping[str, Any]) -> bool:
    return FINALIZER in connector["metadata"].get("finalizers", ())
