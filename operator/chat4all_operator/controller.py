"""The loops of the operator: what happens is noted, each connector is looked at, and a plan is carried out."""

import asyncio
import dataclasses
import datetime as dt
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator import acceptance, conditions, kinds, orphans, reports, seen
from chat4all_operator.backlog import Backlog
from chat4all_operator.children import child_name
from chat4all_operator.cluster import Cluster, ClusterError, UnreachableError
from chat4all_operator.conditions import parsed
from chat4all_operator.kinds import CONNECTOR, CREDENTIALS, DEPLOYMENT, SECRET, UID_LABEL, Kind
from chat4all_operator.metrics import Metrics
from chat4all_operator.observed import Observed, Row, SecretFound, World
from chat4all_operator.plan import Finalizers, Note, Plan, Register, Status
from chat4all_operator.reconcile import reconcile
from chat4all_operator.registered import Registered
from chat4all_operator.registry import RefusedError, RegistryError
from chat4all_operator.rollout import Rollout
from chat4all_operator.settings import Settings
from chat4all_operator.writer import StandingByError, Writer

_logger = logging.getLogger(__name__)

_WORKERS: Final = 8
_ROUNDS: Final = 6  # of one look: what a plan has done changes the next
_SECRET_SECONDS: Final = 10.0  # for which it is remembered that a Secret is missing, or of another type

Object = Mapping[str, Any]


class Controller:
    """It acts through `writer` alone, on what `found` and `registered` know; `world`: what is the same for all."""

    def __init__(
        self,
        cluster: Cluster,
        registered: Registered,
        writer: Writer,
        found: seen.Seen,
        *,
        world: World,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self._cluster = cluster
        self._registered = registered
        self._writer = writer
        self._world = world
        self._seen = found
        self._settings = settings
        self._metrics = metrics
        self.backlog = Backlog(metrics)
        self._rollout = Rollout(found, settings.max_rolling)
        self._others: dict[str, tuple[SecretFound | None, float]] = {}  # Secrets that are not watched, for a moment
        self._readiness: dict[str, tuple[str, str]] = {}
        self._going: dict[str, dt.datetime] = {}  # since when it is known of a uid that it is being deleted
        self._not_ready: dict[str, dt.datetime] = {}  # since when, by uid
        self._measured: set[str] = set()  # the uids of those that were there when this was last looked at
        self._tidying: asyncio.Future[None] | None = None
        self._listed = asyncio.Event()
        self._polled = asyncio.Event()
        self.seen_at = time.monotonic()  # when something was last seen of the cluster
        self.problem: str | None = "nothing has been listed yet"
        for kind, _, _ in self._lists():  # one that never can be is as old as this process
            metrics.seen_at.labels(kind.plural).set_to_current_time()

    # -- what happens

    def on_event(self, kind: Kind, what: str, found: dict[str, Any]) -> None:
        """Note what the watch tells."""
        self.seen_at = time.monotonic()
        name = found["metadata"]["name"]
        if what == "DELETED":
            news = self._seen.remove(kind, name, int(found["metadata"]["resourceVersion"]))
        else:
            news = self._seen.put(kind, found)
        if kind is SECRET:
            self._others.pop(name, None)
        if news and self._listed.is_set():
            for one in self._concerned(kind, name):
                self.backlog.add(one)

    def on_rows(self, uids: set[str]) -> None:
        """Note that rows or reports have changed."""
        if self._listed.is_set():
            for one in self._seen.all(CONNECTOR):
                if one["metadata"]["uid"] in uids:
                    self.backlog.add(one["metadata"]["name"])

    def _concerned(self, kind: Kind, name: str) -> list[str]:
        if kind is CONNECTOR:
            return [name]
        if kind is DEPLOYMENT:
            return [name.removeprefix(child_name(""))]
        return list(self._seen.users_of(kind, name))

    # -- loops

    async def poll(self) -> None:
        """Ask the internal API every few seconds, for all connectors at once."""
        while True:
            await self._registered.poll()
            self._polled.set()
            await asyncio.sleep(self._settings.poll_seconds)

    async def resync(self) -> None:
        """List everything every 20 s, whatever the watch says, and have every connector looked at."""
        while True:
            complete = await self._list_all()
            if complete:
                self.problem = None
                self._listed.set()
                self._forget_gone()
                self._tidy()
                self._measure()
                for one in self._seen.all(CONNECTOR):
                    self.backlog.add(one["metadata"]["name"])
            await asyncio.sleep(self._settings.resync_seconds if complete else min(5.0, self._settings.resync_seconds))

    async def work(self) -> None:
        """Look at connectors, several at a time, once everything is known."""
        await self._listed.wait()
        await self._polled.wait()
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            name = await self.backlog.take()
            failed, began = True, time.monotonic()
            try:
                again = await self._look(name)
                failed = False
                if again is not None:
                    self.backlog.add_later(name, again)
            except StandingByError:
                failed = False
            except (ClusterError, UnreachableError, RegistryError) as error:
                failed = not await self._is_passing(name, error)
            except Exception:  # one connector's fault must not stop the others
                _logger.exception("Connector %s cannot be dealt with", name)
            finally:
                outcome = "failed" if failed else self._readiness.get(name, ("", "Gone"))[1]
                self._metrics.reconcile_seconds.labels(outcome).observe(time.monotonic() - began)
                self.backlog.done(name, failed=failed)

    async def _is_passing(self, name: str, error: Exception) -> bool:
        """Whether an error needs no other try: it is gone, or its namespace is going."""
        if isinstance(error, ClusterError):
            if error.status == 409:  # something else has changed it; its newest state says what is to be done now
                found = await self._cluster.get(CONNECTOR, name)
                if found is not None:
                    self._seen.put(CONNECTOR, found)
            if error.status == 403 and "terminat" in error.message:
                return True
            if error.status == 404:
                _logger.info("Connector %s: %s", name, error)
                return True
        level = logging.INFO if getattr(error, "status", 0) == 409 else logging.WARNING
        _logger.log(level, "Connector %s is looked at again later: %s", name, error)
        return False

    # -- one connector

    async def _look(self, name: str) -> float | None:
        """Do what there is to do about a connector. Return when it is to be looked at again."""
        for _ in range(_ROUNDS):
            connector = self._seen.get(CONNECTOR, name)
            if connector is None:
                self._readiness.pop(name, None)
                return None
            secret = await self._secret(connector)
            plan = self._plan(connector, secret)
            self._readiness[name] = plan.ready, plan.reason
            self._writer.forget_refusals(connector["metadata"]["uid"], plan)
            await self._writer.carry_out(connector, plan)
            if all(isinstance(step, Status | Note) for step in plan.steps):
                return plan.again_seconds
            if (
                any(isinstance(step, Finalizers) for step in plan.steps)
                and "deletionTimestamp" in connector["metadata"]
            ):
                return None
            if any(isinstance(step, Register) and step.unregister for step in plan.steps):
                return plan.again_seconds
        return 1.0

    def _plan(self, connector: Object, secret: SecretFound | None) -> Plan:
        plan = reconcile(self.observed(connector, secret))
        self._rollout.note(connector["metadata"]["name"], plan)
        return plan

    def observed(self, connector: Object, secret: SecretFound | None) -> Observed:
        """Return all that is known about a connector now."""
        name, uid = connector["metadata"]["name"], connector["metadata"]["uid"]
        now = dt.datetime.now(dt.UTC)
        registered = self._registered
        failure = None if registered.problem else registered.failure(uid)
        going = self._going_since(connector, now)
        made = Observed(
            now=now,
            world=self._world,
            resource=connector,
            secret=secret,
            children=self._seen.children(connector),
            answers=self._seen.answers(connector),
            row=registered.row(uid, f"{self._world.namespace}.{name}"),
            rows_seen=registered.seen,
            api_problem=failure.message if failure else registered.problem,
            api_reason=failure.reason if failure else registered.reason,
            asks_again_seconds=max(failure.again - asyncio.get_running_loop().time(), 0.0) if failure else None,
            may_roll=self._rollout.may_begin(name),
            limited_since=_limited_since(registered.limited_since(uid), connector, now),
            child_refused=self._writer.refusal(uid),
            going_since=going,
            rows_are_newer=going is None or registered.read_at >= going,
            is_forgotten=registered.is_forgotten(uid),
            has_met=registered.has_met(uid),
        )
        body = acceptance.stripped(made)
        return dataclasses.replace(made, refused=registered.refused(uid, body), taken=registered.is_taken(uid, body))

    def _going_since(self, connector: Object, now: dt.datetime) -> dt.datetime | None:
        """Since when this process has known that it is being deleted, and could do something about it."""
        if "deletionTimestamp" not in connector["metadata"]:
            return None
        uid = connector["metadata"]["uid"]
        if not self._writer.may_write():
            self._going.pop(uid, None)
            return now
        return self._going.setdefault(uid, now)

    async def _secret(self, connector: Object) -> SecretFound | None:
        """Its Secret: of those that are watched, or asked for by name."""
        name = seen.secret_name(connector)
        if not name:
            return None
        found = self._seen.get(SECRET, name)
        if found is not None:
            return seen.secret(found)
        now = time.monotonic()
        known, until = self._others.get(name, (None, 0.0))
        if until > now:
            return known
        other = await self._cluster.get(SECRET, name)
        if other is not None and other.get("type") == CREDENTIALS:
            self._seen.put(SECRET, other)
            return seen.secret(other)
        known = SecretFound(str(other.get("type", "")), {}) if other is not None else None
        self._others[name] = known, now + _SECRET_SECONDS
        return known

    # -- everything at once

    async def _list_all(self) -> bool:
        """Whether every kind was listed, whole."""
        complete = True
        for kind, labels, fields in self._lists():
            try:
                self._seen.replace(kind, await self._cluster.list(kind, labels=labels, fields=fields))
                self.seen_at = time.monotonic()
            except (ClusterError, UnreachableError) as error:
                complete = False
                self.problem = f"{kind.plural} cannot be listed: {error}"
                reason = error.reason or str(error.status) if isinstance(error, ClusterError) else "Unreachable"
                self._metrics.list_failures.labels(kind.plural, reason).inc()
                _logger.warning("%s", self.problem)
            else:
                self._metrics.seen_at.labels(kind.plural).set_to_current_time()
        return complete

    def _lists(self) -> list[tuple[Kind, str, str]]:
        ours = (kinds.DEPLOYMENT, kinds.SERVICE, kinds.INGRESS, kinds.BUDGET, kinds.AUTOSCALER, kinds.JOB)
        found = [(CONNECTOR, "", ""), (SECRET, "", f"type={CREDENTIALS}"), *((one, "", "") for one in ours)]
        if self._world.hooks.http_route is not None:
            found.append((kinds.HTTP_ROUTE, "", ""))
        return [(kind, UID_LABEL if kind is kinds.JOB else labels, fields) for kind, labels, fields in found]

    def _forget_gone(self) -> None:
        there = {one["metadata"]["name"] for one in self._seen.all(CONNECTOR)}
        self._readiness = {name: one for name, one in self._readiness.items() if name in there}
        uids = {one["metadata"]["uid"] for one in self._seen.all(CONNECTOR)}
        self._going = {uid: one for uid, one in self._going.items() if uid in uids}
        self._others = {name: one for name, one in self._others.items() if one[1] > time.monotonic()}
        self._registered.keep_only(uids)
        self._writer.keep_only(uids)

    def _tidy(self) -> None:
        """Deal with registrations whose resource is gone, beside everything else: each may take its time."""
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.ensure_future(self._orphans())

    def close(self) -> None:
        """Cancel what was to be looked at later, and the tidying of registrations; the loops are cancelled by whoever
        runs them."""
        self.backlog.close()
        if self._tidying is not None:
            self._tidying.cancel()

    async def _orphans(self) -> None:
        """Deal with registrations whose resource is gone: what is concluded from a complete list, and fresh rows."""
        if self._registered.problem or not self._registered.seen:
            return
        resources = self._seen.all(CONNECTOR)
        ids = {f"{self._world.namespace}.{one['metadata']['name']}" for one in resources}
        uids = {one["metadata"]["uid"] for one in resources}
        now = dt.datetime.now(dt.UTC)
        verdict = orphans.judge(self._registered.rows(), ids, uids, now, self._settings.orphan_grace_seconds)
        self._metrics.orphans.set(verdict.orphans)
        self._metrics.mass_orphaning.set(verdict.many)
        if verdict.many:
            _logger.error(
                "%d of %d registrations have no resource any more. They are disabled, and deleted after %.0f s: apply "
                "their resources again, if that was a mistake.",
                *(verdict.orphans, len(self._registered.rows()), self._settings.orphan_grace_seconds),
            )
        for row in (*verdict.disable, *verdict.delete):
            if self._writer.may_write():
                await self._end_registration(row, delete=row in verdict.delete)

    async def _end_registration(self, row: Row, *, delete: bool) -> None:
        try:
            if delete:
                _logger.warning("Connector %s has had no resource for long: its registration is deleted", row.id)
                await self._registered.forget(row.uid)
            else:
                _logger.warning("Connector %s has no resource any more: it is disabled", row.id)
                await self._registered.disable(row.uid)
        except (RegistryError, RefusedError) as error:
            _logger.warning("The registration of %s stays for now: %s", row.id, error)

    def _measure(self) -> None:
        """Count connectors by how they are, and the longest times."""
        counts: dict[tuple[str, str], int] = {}
        for one in self._readiness.values():
            counts[one] = counts.get(one, 0) + 1
        self._metrics.objects.clear()
        for labels, count in counts.items():
            self._metrics.objects.labels(*labels).set(count)
        now = dt.datetime.now(dt.UTC)
        resources = self._seen.all(CONNECTOR)
        since = {one["metadata"]["uid"]: at for one in resources if (at := _not_ready_since(one)) is not None}
        # The time of a transition moves between False and Unknown too, in which it was not ready all the same. Where a
        # pause has just ended, it is the pause's.
        began = {uid: now if uid in self._measured else at for uid, at in since.items()}
        self._not_ready = {uid: self._not_ready.get(uid, at) for uid, at in began.items()}
        self._measured = {one["metadata"]["uid"] for one in resources}
        longest = max(((now - at).total_seconds() for at in self._not_ready.values()), default=0.0)
        self._metrics.not_ready_seconds.set(longest)
        self._metrics.finalizing_seconds.set(max((_finalizing_seconds(one, now) for one in resources), default=0.0))


def _limited_since(since: dt.datetime | None, connector: Object, now: dt.datetime) -> dt.datetime | None:
    """A connector that was said to be limited before this process began is so without interruption."""
    condition = conditions.found(connector, "RateLimited")
    if since is not None and condition.get("status") == "True":
        return now - dt.timedelta(seconds=reports.LIMITED_SECONDS)
    return since


def _not_ready_since(connector: Object) -> dt.datetime | None:
    """None: it is ready, or is not to be."""
    ready = conditions.found(connector, "Ready")
    since = parsed(ready.get("lastTransitionTime"))
    if since is None or since.year < 2000:  # the definition's default: nobody has looked at it yet
        since = parsed(connector["metadata"].get("creationTimestamp"))
    return None if ready.get("status") == "True" or ready.get("reason") == "Paused" else since


def _finalizing_seconds(connector: Object, now: dt.datetime) -> float:
    since = parsed(connector["metadata"].get("deletionTimestamp"))
    return (now - since).total_seconds() if since is not None else 0.0
