"""The pod that connectors are made from, as the chart renders it with the helpers of all its pods."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from chat4all.model.errors import StartError

_CREDENTIALS: Final = "/credentials"


class PodTemplate(NamedTuple):
    """A pod's metadata and spec, without what differs between connectors. `budget`: how many pods of one connector a
    drain may take away at once."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    budget: int | str | None = 1

    @property
    def container(self) -> Mapping[str, Any]:
        """The connector's container, which is the first."""
        found: Mapping[str, Any] = self.spec["containers"][0]
        return found

    @property
    def requests_cpu(self) -> bool:
        """Whether its container requests CPU, without which an autoscaler has nothing to measure by."""
        return bool(self.container.get("resources", {}).get("requests", {}).get("cpu"))

    def of(self, uid: str, secret: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the pod template of one connector; nothing in it depends on its spec but the Secret's name."""
        made = copy.deepcopy({"metadata": dict(self.metadata), "spec": dict(self.spec)})
        made["metadata"]["labels"] = {**made["metadata"].get("labels", {}), **labels}
        container = made["spec"]["containers"][0]
        container.setdefault("env", []).append({"name": "CHAT4ALL_CHANNELS__UID", "value": uid})
        mount = {"name": "credentials", "mountPath": _CREDENTIALS, "readOnly": True}
        container.setdefault("volumeMounts", []).append(mount)
        source = {"secretName": secret, "optional": True, "defaultMode": 0o440}
        made["spec"].setdefault("volumes", []).append({"name": "credentials", "secret": source})
        return made


def read(file: Path) -> PodTemplate:
    """Return the template of this file. Raises StartError."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        template = PodTemplate(found.get("metadata") or {}, found["spec"], found.get("maxUnavailable", 1))
        _ = template.container["name"]
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise StartError(
            f"CHAT4ALL_OPERATOR__POD_TEMPLATE: {file} has no pod template ({type(error).__name__}: {error}). The chart "
            "renders it into a ConfigMap; mount that."
        ) from error
    return template


def digest(value: object) -> str:
    """Return a short digest of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
