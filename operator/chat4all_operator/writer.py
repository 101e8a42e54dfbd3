"""Carries plans out: the only place where the operator changes anything, and only while it is the one that acts."""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from chat4all_operator import events, finalizers, kinds
from chat4all_operator.cluster import Cluster, ClusterError
from chat4all_operator.kinds import CONNECTOR
from chat4all_operator.metrics import Metrics
from chat4all_operator.plan import Apply, Create, Delete, Finalizers, Forget, Note, Plan, Register, Scale, Status, Step
from chat4all_operator.registered import Registered
from chat4all_operator.seen import Seen

_logger = logging.getLogger(__name__)

_REFUSALS: Final = frozenset({400, 403, 422})

Object = Mapping[str, Any]


class StandingByError(Exception):
    """Another operator acts; nothing may be written now."""


class Writer:
    """`may_write`: whether this process is the one that acts."""

    def __init__(
        self, cluster: Cluster, registered: Registered, seen: Seen, metrics: Metrics, may_write: Callable[[], bool]
    ) -> None:
        self._cluster = cluster
        self._registered = registered
        self._seen = seen
        self._metrics = metrics
        self.may_write = may_write
        self._refusals: dict[str, dict[kinds.Kind, str]] = {}  # of children, by the connector's uid
        self._told: set[str] = set()  # the uids of those whose status is refused

    async def carry_out(self, connector: Object, plan: Plan) -> None:
        """Take every step of a plan, in its order.

        Raises ClusterError, UnreachableError, RegistryError, StandingByError; what was done before that stays, and is
        what the next plan begins with.
        """
        refused: ClusterError | None = None
        for step in plan.steps:
            if not self.may_write():
                raise StandingByError
            try:
                await self._take(connector, step)
            except ClusterError as error:
                if not isinstance(step, Status) or error.status not in {400, 422}:
                    raise
                refused = error  # it holds up nothing
        if refused is not None:
            raise refused

    def refusal(self, uid: str) -> str:
        """Return why the API server does not take a child of this connector, or ""."""
        return next(iter(self._refusals.get(uid, {}).values()), "")

    def forget_refusals(self, uid: str, plan: Plan | None) -> None:
        """Forget refusals of what is wanted no longer, or of all where there is no plan any more."""
        wanted = {step.kind for step in plan.steps if isinstance(step, Apply)} if plan is not None else set()
        left = {kind: one for kind, one in self._refusals.pop(uid, {}).items() if kind in wanted}
        if left:
            self._refusals[uid] = left

    def keep_only(self, uids: Collection[str]) -> None:
        """Forget what was remembered of connectors that are gone."""
        self._told &= set(uids)
        self._refusals = {uid: one for uid, one in self._refusals.items() if uid in uids}

    async def _take(self, connector: Object, step: Step) -> None:
        name, uid = connector["metadata"]["name"], connector["metadata"]["uid"]
        match step:
            case Apply(kind, manifest, force):
                await self._apply(uid, kind, manifest, force=force)
            case Create(kind, manifest):
                await self._create(kind, manifest)
            case Scale(kind, child, replicas):
                self._seen.put(kind, await self._cluster.patch(kind, child, {"spec": {"replicas": replicas}}))
            case Delete(kind, child, child_uid):
                await self._cluster.delete(kind, child, child_uid)
                self._seen.remove(kind, child)
            case Finalizers(wanted):
                await self._finalizers(connector, wanted)
            case Register(body, unregister):
                await self._registered.put(uid, body, unregister=unregister)
            case Forget():
                await self._registered.forget(uid)
            case Status(value):
                await self._status(connector, value)
            case Note():
                await self.note(connector, step)
        _logger.debug("%s: %s", name, type(step).__name__)

    async def _apply(self, uid: str, kind: kinds.Kind, manifest: Object, *, force: bool) -> None:
        try:
            self._seen.put_answer(kind, await self._cluster.apply(kind, manifest, force=force))
        except ClusterError as error:
            if error.status != 409 or force:
                if error.status in _REFUSALS:
                    self._refusals.setdefault(uid, {})[kind] = f"{kind.name}: {error.message}"
                raise
            self._seen.replace(kind, await self._cluster.list(kind))  # one was not seen yet: the next plan knows it

    async def _create(self, kind: kinds.Kind, manifest: Object) -> None:
        try:
            self._seen.put(kind, await self._cluster.create(kind, manifest))
        except ClusterError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _finalizers(self, connector: Object, wanted: tuple[str, ...]) -> None:
        """In the version that was seen: a conflict fails, and the next plan is made from what is there then."""
        metadata = connector["metadata"]
        answered = await finalizers.write(self._cluster, connector, wanted)
        if "deletionTimestamp" in answered["metadata"] and not answered["metadata"].get("finalizers"):
            self._seen.remove(CONNECTOR, metadata["name"], int(answered["metadata"]["resourceVersion"]))
            self._told.discard(metadata["uid"])
        else:
            self._seen.put(CONNECTOR, answered)

    async def _status(self, connector: Object, value: Mapping[str, Any]) -> None:
        """In the version that was looked at: a newer spec never gets the verdict on the one before."""
        before = connector.get("status") or {}
        removed = dict.fromkeys(key for key in before if key not in value)
        try:
            version = {"resourceVersion": connector["metadata"]["resourceVersion"]}
            change = {"metadata": version, "status": {**removed, **value}}
            answered = await self._cluster.patch(CONNECTOR, connector["metadata"]["name"], change, part="status")
        except ClusterError as error:
            if error.status in {400, 422}:
                await self._refused(connector, error)
            raise
        self._told.discard(connector["metadata"]["uid"])
        self._seen.put(CONNECTOR, answered)

    async def _refused(self, connector: Object, error: ClusterError) -> None:
        """A status that cannot be written is told where it can be: in an event, once until it can be written again."""
        self._metrics.refused_writes.labels(CONNECTOR.plural).inc()
        metadata = connector["metadata"]
        _logger.error("The status of %s/%s is refused: %s", self._cluster.namespace, metadata["name"], error.message)
        if metadata["uid"] not in self._told:
            self._told.add(metadata["uid"])
            note = Note("Warning", "StatusRefused", f"Its status cannot be written: {error.message}")
            await self.note(connector, note)

    async def note(self, connector: Object, note: Note) -> None:
        """Write an event about a connector; one that cannot be written is only logged."""
        await events.tell(self._cluster, CONNECTOR, connector["metadata"], note)
