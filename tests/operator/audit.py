"""What service accounts have asked of the API server, as it wrote that down itself."""

import json
from typing import Any, Final, NamedTuple

from hack.node.control_plane import ControlPlane

# Controllers ask for much, and are not what is tested.
_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}


class Asked(NamedTuple):
    """One call. `resource`: with its subresource, as a Role names it; `created`: whether the object was not there."""

    verb: str
    group: str
    resource: str
    name: str
    uri: str
    status: int
    message: str

    @property
    def rights(self) -> set[tuple[str, str, str]]:
        """What was needed for it, as group, resource and verb. Applying what is not there needs the right to create it:
        https://kubernetes.io/docs/reference/using-api/server-side-apply/#using-server-side-apply-in-a-controller
        """
        verbs = {self.verb, "create"} if self.verb == "patch" and self.status == 201 else {self.verb}
        return {(self.group, self.resource, verb) for verb in verbs}


def begin(plane: ControlPlane) -> None:
    """Have the API server of a control plane that has not been started write down what it is asked."""
    (plane.folder / "audit.yaml").write_text(json.dumps(_POLICY))


def asked(plane: ControlPlane, namespace: str, account: str) -> list[Asked]:
    """Everything that a service account has asked for, but for what every account may read about the API itself."""
    user = f"system:serviceaccount:{namespace}:{account}"
    lines = (plane.folder / "apiserver" / "audit.jsonl").read_text().splitlines()
    found = [one for one in map(json.loads, lines) if one["user"]["username"] == user and "objectRef" in one]
    return [_asked(one) for one in found]


def _asked(one: dict[str, Any]) -> Asked:
    about, answer = one["objectRef"], one.get("responseStatus", {})
    part = about.get("subresource")
    return Asked(
        verb=one["verb"],
        group=about.get("apiGroup", ""),
        resource=f"{about['resource']}/{part}" if part else about["resource"],
        name=about.get("name", ""),
        uri=one["requestURI"],
        status=answer.get("code", 0),
        message=answer.get("message", ""),
    )
