"""What was last seen of the cluster: by the watch, by a list, and by the answers to our own writes.

The newer of two states of an object stays, whatever order they come in. resourceVersions can be compared:
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chat4all_operator import children, kinds
from chat4all_operator.cluster import Listing
from chat4all_operator.kinds import CONNECTOR, SECRET, Kind
from chat4all_operator.observed import ChildKey, SecretFound

Object = Mapping[str, Any]


class Seen:
    """It keeps the newest known state of each object of the namespace, by kind and name, and what was answered to
    applies; versions of deleted objects too, so that an older state does not bring one back."""

    def __init__(self) -> None:
        self._objects: dict[Kind, dict[str, Object]] = {}
        self._gone: dict[tuple[Kind, str], int] = {}  # versions in which objects were deleted
        self._answers: dict[tuple[Kind, str], Object] = {}  # to what was applied

    def put(self, kind: Kind, found: Object) -> bool:
        """Note a state of an object. Return whether it is news."""
        name = found["metadata"]["name"]
        before = self._objects.setdefault(kind, {}).get(name)
        if before is not None and _version(before) >= _version(found):
            return False
        if self._gone.get((kind, name), 0) > _version(found):
            return False
        self._objects[kind][name] = found
        return True

    def put_answer(self, kind: Kind, answer: Object) -> None:
        """Note what the server has made of an object that was applied."""
        self._answers[kind, answer["metadata"]["name"]] = answer
        self.put(kind, answer)

    def answers(self, connector: Object) -> dict[ChildKey, Object]:
        """Return what the server made of a connector's children when they were last applied by this process."""
        child = children.child_name(connector["metadata"]["name"])
        keys = [(kind, child) for kind in children.KINDS]
        return {key: self._answers[key] for key in keys if key in self._answers}

    def remove(self, kind: Kind, name: str, version: int = 0) -> bool:
        """Note that an object is gone. Return whether it is news."""
        if version:
            self._gone[kind, name] = version
        before = self._objects.get(kind, {}).get(name)
        if before is None or (version and _version(before) > version):
            return False
        del self._objects[kind][name]
        self._answers.pop((kind, name), None)
        return True

    def replace(self, kind: Kind, listing: Listing) -> None:
        """Note a complete list: what is not in it, and is not newer than it, is gone."""
        listed = {one["metadata"]["name"] for one in listing.items}
        for one in listing.items:
            self.put(kind, one)
        for name in [name for name in self._objects.get(kind, {}) if name not in listed]:
            self.remove(kind, name, int(listing.version))
        self._gone = {key: one for key, one in self._gone.items() if one + 100_000 > int(listing.version)}

    def get(self, kind: Kind, name: str) -> Object | None:
        """Return an object, or None."""
        return self._objects.get(kind, {}).get(name)

    def all(self, kind: Kind) -> Sequence[Object]:
        """Return all objects of a kind."""
        return list(self._objects.get(kind, {}).values())

    def children(self, connector: Object) -> dict[ChildKey, Object]:
        """Return those objects that exist and have the names of a connector's children."""
        name, uid = connector["metadata"]["name"], connector["metadata"]["uid"]
        found: dict[ChildKey, Object] = {}
        for kind in children.KINDS:
            child = children.job_name(name, uid) if kind is kinds.JOB else children.child_name(name)
            one = self.get(kind, child)
            if one is not None:
                found[kind, child] = one
        return found

    def users_of(self, kind: Kind, name: str) -> Iterator[str]:
        """Yield the names of connectors that an object of this name concerns."""
        for one in self.all(CONNECTOR):
            if kind is SECRET:
                if secret_name(one) == name:
                    yield one["metadata"]["name"]
            elif name in {
                children.child_name(one["metadata"]["name"]),
                children.job_name(one["metadata"]["name"], one["metadata"]["uid"]),
            }:
                yield one["metadata"]["name"]


def secret(found: Object) -> SecretFound:
    """Return a Secret as decisions are made from it."""
    data = {}
    for key, value in (found.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(value)
        except (binascii.Error, ValueError):
            data[key] = b""
    return SecretFound(str(found.get("type", "")), data)


def secret_name(connector: Object) -> str:
    """Return the name of a connector's Secret, or "" where its spec has none."""
    try:
        return str(connector["spec"]["credentialsSecretRef"]["name"])
    except (KeyError, TypeError):
        return ""


def _version(found: Object) -> int:
    text = str(found["metadata"].get("resourceVersion", "0"))
    return int(text) if text.isdecimal() else 0
