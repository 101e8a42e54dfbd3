"""One connector and what is around it, in memory: each step of a plan does here what the API server and the internal
API would do with it, so that a test sees what plans lead to. Nothing of the operator is replaced."""

import copy
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from tests.unit.operator import objects
from tests.unit.operator.objects import Object

from chat4all.channels.kit import registry
from chat4all.channels.kit.resource import ChannelConnector
from chat4all_operator import plan as plans
from chat4all_operator.children import job_name
from chat4all_operator.kinds import DEPLOYMENT, JOB, Kind
from chat4all_operator.observed import ChildKey, Observed, Refused, Row, SecretFound, World
from chat4all_operator.plan import Note, Plan, Status, Step
from chat4all_operator.reconcile import reconcile
from chat4all_operator.settings import Hooks
from chat4all_operator.template import PodTemplate

_ROUNDS: Final = 10  # more plans than a connector needs after anything that can happen to it
MANIFESTS: Final = registry.installed()


class Life:
    """A connector's life from its creation on. `settle` does what there is to do; the rest is what happens to it."""

    def __init__(
        self,
        spec: Mapping[str, Any] | None = None,
        *,
        name: str = "support",
        namespace: str = "shop",
        release: str = "c4a",
        hooks: Hooks = objects.NO_HOOKS,
        template: PodTemplate = objects.TEMPLATE,
        secret: SecretFound | None = objects.SECRET,
    ) -> None:
        self.now = objects.NOON
        self.world = World(
            namespace=namespace,
            managed_by=f"operator/{namespace}/{release}",
            release=release,
            image="registry.example/chat4all:1.2",
            hooks=hooks,
            template=template,
            manifests=MANIFESTS,
        )
        self.resource: Object | None = objects.resource(name, namespace, {**objects.SPEC, **(spec or {})})
        self.secret = secret
        self.children: dict[ChildKey, Object] = {}
        self.row: Row | None = None
        self.api_problem = self.api_reason = ""
        self.asks_again_seconds: float | None = None
        self.refuses: Refused | None = None  # whatever is asked of the internal API
        self.refused: Refused | None = None
        self.may_roll = True
        self.limited_since: dt.datetime | None = None
        self.going_since: dt.datetime | None = None
        self.is_forgotten = self.has_met = False
        self.events: list[plans.Note] = []

    def observed(self) -> Observed:
        assert self.resource is not None, "it is gone"
        if "deletionTimestamp" in self.resource["metadata"]:
            self.going_since = self.going_since or self.now
        return Observed(
            now=self.now,
            world=self.world,
            resource=copy.deepcopy(self.resource),
            secret=self.secret,
            children=copy.deepcopy(self.children),
            row=self.row,
            api_problem=self.api_problem,
            api_reason=self.api_reason,
            asks_again_seconds=self.asks_again_seconds,
            refused=self.refused,
            may_roll=self.may_roll,
            limited_since=self.limited_since,
            going_since=self.going_since,
            is_forgotten=self.is_forgotten,
            has_met=self.has_met,
        )

    def plan(self) -> Plan:
        return reconcile(self.observed())

    def settle(self) -> list[Step]:
        """Carry out one plan after the other until nothing is left to do but to wait; every step that was taken."""
        taken: list[Step] = []
        before: tuple[Step, ...] = ()
        for _ in range(_ROUNDS):
            steps = () if self.resource is None else self.plan().steps
            asked = tuple(one for one in steps if not isinstance(one, Status | Note))
            if not steps or (asked and asked == before and self.refused is not None):  # it is asked again later
                return taken
            for step in steps:
                self.take(step)
            taken += steps
            before = asked
        raise AssertionError(f"it comes to no rest: {[type(one).__name__ for one in taken]}")

    # -- what happens to it

    def change(self, **spec: Any) -> None:
        """Somebody changes its spec; None takes a field away."""
        assert self.resource is not None
        kept = {key: one for key, one in {**self.resource["spec"], **spec}.items() if one is not None}
        self.resource["spec"] = kept
        self.resource["metadata"]["generation"] += 1
        self.refused = None  # what was refused is no longer what is wanted

    def delete(self) -> None:
        """Somebody deletes it; it goes at once where nothing holds it."""
        assert self.resource is not None
        if not self.resource["metadata"].get("finalizers"):
            self.resource = None
            return
        self.resource["metadata"] |= {"deletionTimestamp": objects.written(self.now)}
        self.resource["metadata"]["generation"] += 1

    def pass_seconds(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)

    def run_pods(self) -> None:
        """The cluster runs as many pods as the Deployment wants."""
        found = self.child(DEPLOYMENT)
        wanted = found["spec"]["replicas"]
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        found["status"] = {**dict.fromkeys(counts, wanted), "observedGeneration": found["metadata"]["generation"]}

    def report(self, *reports: Mapping[str, Any]) -> None:
        """Its pods say how they are, in place of what they said before."""
        assert self.row is not None
        self.row = self.row._replace(reports=tuple({"at": objects.written(self.now), **one} for one in reports))

    def child(self, kind: Kind) -> Object:
        """Its child of this kind."""
        assert self.resource is not None
        (found,) = (one for (own, _), one in self.children.items() if own is kind)
        return found

    @property
    def job(self) -> ChildKey:
        """The Job that tells its provider."""
        assert self.resource is not None
        return JOB, job_name(self.resource["metadata"]["name"], self.resource["metadata"]["uid"])

    def kinds(self) -> set[str]:
        """The kinds of its children."""
        return {kind.name for kind, _ in self.children}

    def conditions(self) -> dict[str, str]:
        """Its conditions by type, as status and reason."""
        assert self.resource is not None
        return {one["type"]: f"{one['status']} {one['reason']}" for one in self.resource["status"]["conditions"]}

    def message(self, kind: str = "Ready") -> str:
        """What a condition says to a person."""
        assert self.resource is not None
        (found,) = (one["message"] for one in self.resource["status"]["conditions"] if one["type"] == kind)
        return str(found)

    # -- what a step does

    def take(self, step: Step) -> None:
        """Do this one step."""
        assert self.resource is not None
        match step:
            case plans.Apply(kind, manifest) | plans.Create(kind, manifest):
                key = (kind, manifest["metadata"]["name"])
                self.children[key] = objects.stored(manifest, self.children.get(key))
            case plans.Scale(kind, name, replicas):
                self.children[kind, name]["spec"]["replicas"] = replicas
            case plans.Delete(kind, name, uid):
                assert self.children.pop((kind, name))["metadata"]["uid"] == uid
            case plans.Finalizers(wanted):
                self.resource["metadata"]["finalizers"] = list(wanted)
                if not wanted and "deletionTimestamp" in self.resource["metadata"]:
                    self.resource = None
            case plans.Register(body, unregister):
                self._register(body, unregister=unregister)
            case plans.Forget():
                self.row, self.is_forgotten = None, True
            case plans.Status(value):
                self.resource["status"] = copy.deepcopy(dict(value))
            case plans.Note():
                self.events.append(step)

    def _register(self, body: Mapping[str, Any], *, unregister: bool) -> None:
        assert self.resource is not None
        assert not self.api_problem, "nobody answers"
        if self.refuses is not None:
            self.refused = self.refuses
            return
        self.has_met = True
        checked = ChannelConnector.model_validate(body)
        spec = checked.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        before = self.row or Row("", checked.id, checked.spec.channel, self.world.managed_by, {}, "", None, None, ())
        uid = self.resource["metadata"]["uid"]
        reports = before.reports if before.uid == uid else ()
        state = "Unregistering" if unregister else checked.spec.state
        self.row = before._replace(uid=uid, spec=spec, state=state, disabled_at=None, reports=reports)
