"""The tests' hands in the control plane: kubectl, as a person would type it, and plain HTTP, where there are many."""

import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from hack.node.control_plane import ControlPlane, KubectlError

GROUP: Final = "chat4all.io/v1alpha1"
_TIMEOUT: Final = 60.0  # seconds that an answer may take: only a fault takes so long


class Namespace:
    """A namespace, made with this object."""

    def __init__(self, control_plane: ControlPlane, name: str) -> None:
        self.control_plane = control_plane
        self.name = name
        control_plane.kubectl("create", "namespace", name)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl in it. Raises KubectlError."""
        return self.control_plane.kubectl("--namespace", self.name, *arguments, given=given)

    def create(self, resource: Mapping[str, Any]) -> None:
        """Create a resource. Raises KubectlError."""
        self.kubectl("create", "--filename=-", given=json.dumps(resource))

    def get(self, *arguments: str) -> Any:
        """What kubectl get shows, as JSON: one resource, or a list's items."""
        found = json.loads(self.kubectl("get", *arguments, "--output=json"))
        return found["items"] if found["kind"] == "List" else found

    @property
    def path(self) -> str:
        """The path of its ChannelConnectors in the API."""
        return f"/apis/{GROUP}/namespaces/{self.name}/channelconnectors"


def define(control_plane: ControlPlane, definitions: Path) -> None:
    """Apply definitions of resources, and wait until they are served. Raises KubectlError."""
    control_plane.kubectl("apply", "--server-side", f"--filename={definitions}")
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            control_plane.kubectl("wait", "--for=condition=Established", f"--filename={definitions}", "--timeout=120s")
        except KubectlError as error:  # it gives up where there are no conditions yet
            if "accessor error" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            return


def client(control_plane: ControlPlane, token: str | None = None) -> httpx.Client:
    """A client of the API: as its administrator, or as whoever has the token."""
    context = ssl.create_default_context(cafile=control_plane.ca)
    if token is None:
        context.load_cert_chain(*control_plane.certificate)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.Client(
        base_url=control_plane.server, headers=headers, verify=context, timeout=_TIMEOUT, trust_env=False
    )


def connector(name: Any = "support", **spec: Any) -> dict[str, Any]:
    """A ChannelConnector; of its spec, what is given takes the place of the usual, and None leaves it out."""
    usual = {"channel": "telegram", "credentialsSecretRef": {"name": "keys"}, "inbox": {"members": ["ana"]}}
    kept = {field: value for field, value in {**usual, **spec}.items() if value is not None}
    return {"apiVersion": GROUP, "kind": "ChannelConnector", "metadata": {"name": name}, "spec": kept}
