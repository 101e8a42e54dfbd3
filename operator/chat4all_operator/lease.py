"""One operator acts in a namespace at a time: a Lease says which. Others stand by, and say so.

https://kubernetes.io/docs/concepts/architecture/leases/
"""

import asyncio
import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator import events
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.conditions import parsed
from chat4all_operator.kinds import LEASE
from chat4all_operator.metrics import Metrics
from chat4all_operator.plan import Note

_logger = logging.getLogger(__name__)

NAME: Final = "chat4all-operator"
_SECONDS: Final = 30
_RENEW_SECONDS: Final = 8.0
_WATCH_SECONDS: Final = 3.0  # between looks of one that stands by
_MARGIN_SECONDS: Final = 5.0  # before its end from which on nothing is written any more


class OperatorLease:
    """`holder`: this process, as its pod and release."""

    def __init__(self, cluster: Cluster, holder: str, metrics: Metrics) -> None:
        self._cluster = cluster
        self._holder = holder
        self._metrics = metrics
        self._until = 0.0  # by the loop's clock
        self._seen: tuple[Any, float] = (None, 0.0)  # what another holder last wrote, and when that was first seen
        self.problem: str | None = "the lease has not been asked for yet"

    def held(self) -> bool:
        """Return whether this process may act now."""
        return asyncio.get_running_loop().time() < self._until - _MARGIN_SECONDS

    async def run(self) -> None:
        """Take the lease, and keep it, until cancelled."""
        while True:
            await self._turn()
            self._metrics.leading.set(self.held())
            await asyncio.sleep(_RENEW_SECONDS if self.held() else _WATCH_SECONDS)

    async def release(self) -> None:
        """Let another process act at once."""
        if not self.held():
            return
        self._until = 0.0
        found = await self._cluster.get(LEASE, NAME)
        spec = (found or {}).get("spec") or {}
        if found is not None and spec.get("holderIdentity") == self._holder:
            await self._cluster.replace(LEASE, {**found, "spec": {**spec, "holderIdentity": ""}})

    async def _turn(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            if await self._take():
                self._until, self.problem = began + _SECONDS, None
        except ClusterError as error:
            if error.status != 409:  # another was quicker
                self._fail(error)
        except UnreachableError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.problem = f"the lease {NAME} cannot be taken: {error}"
        _logger.warning("%s", self.problem)

    async def _take(self) -> bool:
        found = await self._cluster.get(LEASE, NAME)
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": _SECONDS, "renewTime": now}
        head = {"apiVersion": LEASE.api, "kind": LEASE.name}
        if found is None:
            await self._cluster.create(
                LEASE, {**head, "metadata": {"name": NAME}, "spec": {**spec, "acquireTime": now}}
            )
            return True
        before = found.get("spec") or {}
        mine = before.get("holderIdentity") == self._holder
        if not mine and self._is_held(before):
            await self._stand_by(found)
            return False
        taken = spec if mine else {**spec, "acquireTime": now}
        await self._cluster.replace(LEASE, {**head, "metadata": found["metadata"], "spec": {**before, **taken}})
        return True

    def _is_held(self, spec: dict[str, Any]) -> bool:
        """Whether its holder lives: it renewed while we watched. Clocks of two machines are not compared."""
        if not spec.get("holderIdentity"):
            return False
        now = asyncio.get_running_loop().time()
        if self._seen[0] != spec.get("renewTime"):
            self._seen = (spec.get("renewTime"), now)
        seconds = float(spec.get("leaseDurationSeconds") or _SECONDS)
        return now - self._seen[1] < seconds and parsed(spec.get("renewTime")) is not None

    async def _stand_by(self, lease: Mapping[str, Any]) -> None:
        self._until = 0.0
        holder = lease["spec"]["holderIdentity"]
        why = f"the operator {holder} acts in this namespace; this one, {self._holder}, stands by"
        if why != self.problem:
            _logger.warning("%s", why)
            await events.tell(self._cluster, LEASE, lease["metadata"], Note("Warning", "StandingBy", f"{why}."))
        self.problem = why
