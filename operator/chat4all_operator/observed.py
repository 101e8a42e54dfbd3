"""What is known about one ChannelConnector at one moment: all that a decision about it is made from."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from chat4all.channels.kit.manifest import Manifests
from chat4all_operator.kinds import Kind
from chat4all_operator.settings import Hooks
from chat4all_operator.template import PodTemplate

Object = Mapping[str, Any]
ChildKey = tuple[Kind, str]  # a kind, and a name


@dataclasses.dataclass(frozen=True, slots=True)
class SecretFound:
    """A Secret that exists. `data`: its values, which nothing prints."""

    type: str
    data: Mapping[str, bytes] = dataclasses.field(repr=False)


class Row(NamedTuple):
    """A registration, as the internal API tells it. `reports`: what each of its pods says of itself."""

    uid: str
    id: str
    channel: str
    managed_by: str
    spec: Mapping[str, Any]
    state: str
    disabled_at: dt.datetime | None
    account: str | None
    reports: tuple[Mapping[str, Any], ...]


class Refused(NamedTuple):
    """The internal API did not take a registration. `code`: the problem's; `field`: of the resource, or ""."""

    code: str
    field: str
    detail: str


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """What is the same for every connector of the operator."""

    namespace: str
    managed_by: str
    release: str
    image: str
    hooks: Hooks
    template: PodTemplate
    manifests: Manifests
    unregister_seconds: float = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Observed:
    """One connector, and what is around it.

    `secret`: None where there is none; `children`: those objects of its names that exist; `answers`: what the server
    made of them when they were last applied; `row`: its registration, or one of the same id that this operator manages;
    `taken`: that is the answer to exactly this spec; `api_problem`: why the rows of the internal API are not known, or
    cannot be changed, or ""; `asks_again_seconds`: until what failed for this connector alone is asked again, None
    where nothing did; `rows_seen`: whether rows were read at all; `may_roll`: whether one more connector may be
    replaced now; `limited_since`: since when its pods have said without interruption that the provider makes them wait;
    `child_refused`: why the API server does not take one of its children, or ""; `going_since`: since when this
    operator has known that it is being deleted; `rows_are_newer`: whether rows were read since then; `is_forgotten`:
    whether this operator has asked for its registration to be deleted; `has_met`: whether it has ever seen that
    registration.
    """

    now: dt.datetime
    world: World
    resource: Object
    secret: SecretFound | None = None
    children: Mapping[ChildKey, Object] = dataclasses.field(default_factory=dict)
    answers: Mapping[ChildKey, Object] = dataclasses.field(default_factory=dict)
    taken: bool = False
    row: Row | None = None
    rows_seen: bool = True
    api_problem: str = ""
    api_reason: str = ""
    asks_again_seconds: float | None = None
    refused: Refused | None = None
    may_roll: bool = True
    limited_since: dt.datetime | None = None
    child_refused: str = ""
    going_since: dt.datetime | None = None
    rows_are_newer: bool = True
    is_forgotten: bool = False
    has_met: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether the internal API may be asked for a change now."""
        again = self.asks_again_seconds
        return self.rows_seen and (again <= 0 if again is not None else not self.api_problem)

    @property
    def name(self) -> str:
        """Return the name of the ChannelConnector, which is unique in the namespace while it exists."""
        return str(self.resource["metadata"]["name"])

    @property
    def uid(self) -> str:
        """Return the uid that Kubernetes has given this ChannelConnector; the next one of its name has another."""
        return str(self.resource["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """The generation of its spec."""
        return int(self.resource["metadata"].get("generation", 0))

    @property
    def own_row(self) -> Row | None:
        """Its registration, if that is of this very resource and this operator's."""
        row = self.row
        return row if row and (row.uid, row.managed_by) == (self.uid, self.world.managed_by) else None

    @property
    def finalizers(self) -> list[str]:
        """Its finalizers, other people's too."""
        return list(self.resource["metadata"].get("finalizers", ()))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec, which may be of any form: the API server may have stored it before it knew the definition."""
        found = self.resource.get("spec")
        return found if isinstance(found, Mapping) else {}
