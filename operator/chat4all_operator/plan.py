"""What is to be done about one connector: a plan is data, and one writer carries it out."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from chat4all_operator.kinds import Kind

Manifest = Mapping[str, Any]


class Apply(NamedTuple):
    """Apply a child, server-side. `force`: also over fields that somebody else has, as only what is ours may be."""

    kind: Kind
    manifest: Manifest
    force: bool = True


class Create(NamedTuple):
    """Create an object that is not there; whoever was quicker is fine."""

    kind: Kind
    manifest: Manifest


class Scale(NamedTuple):
    """Change how many pods there are and nothing else, while a new pod template has to wait for its turn."""

    kind: Kind
    name: str
    replicas: int


class Delete(NamedTuple):
    """Delete the object of this uid."""

    kind: Kind
    name: str
    uid: str


class Finalizers(NamedTuple):
    """Have exactly these finalizers, in the version that was seen."""

    wanted: tuple[str, ...]


class Register(NamedTuple):
    """Put the connector into the registry, or what has changed of it. `unregister`: it is to leave its provider."""

    body: Manifest
    unregister: bool = False


class Forget(NamedTuple):
    """Delete the registration; what it has not sent becomes failed."""


class Status(NamedTuple):
    """The status of the resource is to become `value`; a field that is not in it goes."""

    value: Mapping[str, Any]


class Note(NamedTuple):
    """Tell whoever describes the resource. `type`: Normal or Warning."""

    type: str
    reason: str
    message: str


Step = Apply | Create | Scale | Delete | Finalizers | Register | Forget | Status | Note


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Steps, in their order. `again_seconds`: when the connector is to be looked at again, None where something will
    happen that says so; `ready`, `reason`: of its condition Ready, for the metrics."""

    steps: tuple[Step, ...] = ()
    again_seconds: float | None = None
    ready: str = "Unknown"
    reason: str = "Pending"
