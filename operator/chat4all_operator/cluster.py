"""The Kubernetes API, as the operator uses it: one namespace, bounded calls, and errors that say what failed.

It stands on the official client's asynchronous part. Writes are checked strictly: a field that the server does not know
is an error, never dropped. https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from chat4all.model.errors import StartError
from chat4all_operator.kinds import MANAGER, Kind
from chat4all_operator.metrics import Metrics

Object = dict[str, Any]

_CALL_SECONDS: Final = 15.0
_CONNECT_SECONDS: Final = 5.0
_PAGE_OBJECTS: Final = 500
_CONNECTIONS: Final = 12
_APPLY: Final = "application/apply-patch+yaml"
_MAX_MESSAGE_CHARACTERS: Final = 1000
_REPEATED: Final = re.compile(r'"\{.{200,}\}"', re.DOTALL)
_MERGE: Final = "application/merge-patch+json"


class ClusterError(Exception):
    """The API server refused. `status`: the HTTP status; `reason`: Kubernetes's word for it, as Forbidden."""

    def __init__(self, what: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{what}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class UnreachableError(Exception):
    """The API server did not answer in time."""


class Listing(NamedTuple):
    """A complete list, whose every page was read. `version`: the state of the cluster that it shows."""

    items: Sequence[Object]
    version: str


class Cluster:
    """Calls on the API server for one namespace."""

    def __init__(self, client: ApiClient, namespace: str, metrics: Metrics) -> None:
        self.client = client
        self.namespace = namespace
        self._metrics = metrics

    async def get(self, kind: Kind, name: str) -> Object | None:
        """Return the object, or None where there is none. Raises ClusterError, UnreachableError."""
        try:
            return await self._call("get", kind, kind.path(self.namespace, name))
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: Kind, *, labels: str = "", fields: str = "") -> Listing:
        """Return all objects of a kind. A page that fails fails the whole. Raises ClusterError, UnreachableError."""
        items: list[Object] = []
        query = {"limit": str(_PAGE_OBJECTS)}
        query |= {name: one for name, one in (("labelSelector", labels), ("fieldSelector", fields)) if one}
        version: str | None = None
        while True:
            page = await self._call("list", kind, kind.path(self.namespace), query=query)
            found, proceed = page["metadata"]["resourceVersion"], page["metadata"].get("continue")
            if version not in {None, found}:
                raise ClusterError(f"list {kind.plural}", 410, "Expired", "its pages are of different states")
            version = found
            items += [{**one, "apiVersion": kind.api, "kind": kind.name} for one in page["items"]]
            if not proceed:
                return Listing(items, found)
            query["continue"] = proceed

    async def apply(self, kind: Kind, manifest: Mapping[str, Any], *, force: bool) -> Object:
        """Apply a manifest server-side; with `force`, over whoever else has its fields. Raises ClusterError,
        UnreachableError."""
        query = {"fieldManager": MANAGER, "force": str(force).lower(), "fieldValidation": "Strict"}
        path = kind.path(self.namespace, manifest["metadata"]["name"])
        return await self._call("apply", kind, path, query=query, body=manifest, content_type=_APPLY)

    async def patch(self, kind: Kind, name: str, change: Mapping[str, Any], *, part: str = "") -> Object:
        """Merge a change into an object, or into its `part`, as status. Raises ClusterError, UnreachableError."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        path = kind.path(self.namespace, name, part)
        return await self._call("patch", kind, path, query=query, body=change, content_type=_MERGE)

    async def create(self, kind: Kind, manifest: Mapping[str, Any]) -> Object:
        """Create an object. Raises ClusterError, UnreachableError."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        return await self._call("create", kind, kind.path(self.namespace), query=query, body=manifest)

    async def replace(self, kind: Kind, manifest: Mapping[str, Any]) -> Object:
        """Replace an object in the version that the manifest names. Raises ClusterError, UnreachableError."""
        path = kind.path(self.namespace, manifest["metadata"]["name"])
        return await self._call("update", kind, path, query={"fieldManager": MANAGER}, body=manifest)

    async def delete(self, kind: Kind, name: str, uid: str) -> None:
        """Delete the object of this uid; it may be gone. Raises ClusterError, UnreachableError."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._call("delete", kind, kind.path(self.namespace, name), body=body)
        except ClusterError as error:
            if error.status not in {404, 409}:
                raise

    async def namespace_is_terminating(self) -> bool:
        """Return whether its own namespace is being deleted. Raises ClusterError, UnreachableError."""
        kind = Kind("Namespace", "v1", "namespaces")
        found = await self._call("get", kind, f"/api/v1/namespaces/{self.namespace}")
        return "deletionTimestamp" in found["metadata"]

    async def schema(self, api: str) -> Object:
        """Return the OpenAPI document of a group and version. Raises ClusterError, UnreachableError."""
        return await self._call("get", Kind("OpenAPI", "v1", "openapi"), f"/openapi/v3/apis/{api}")

    async def _call(
        self,
        verb: str,
        kind: Kind,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        what = f"{verb} {path}"
        outcome = "error"
        try:
            status, data = await self._exchange(_METHODS[verb], path, query or {}, body, content_type)
            outcome = "ok" if status < 400 else str(status)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError(f"{what}: {str(error) or 'no answer in time'}") from error
        finally:
            self._metrics.api_calls.labels(verb, kind.plural, outcome).inc()
        try:
            answer: Object = json.loads(data) if data else {}
        except ValueError:
            answer = {"message": data[:500].decode(errors="replace")}
        if status >= 400:
            raise ClusterError(what, status, str(answer.get("reason", "")), _short(answer))
        return answer

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: object, content_type: str
    ) -> tuple[int, bytes]:
        serialized = await self.client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )
        limits = aiohttp.ClientTimeout(total=_CALL_SECONDS, sock_connect=_CONNECT_SECONDS)
        answer = await self.client.call_api(*serialized[:3], body, _request_timeout=limits)
        return answer.status, await answer.read()


def _short(answer: Mapping[str, Any]) -> str:
    """What a refusal says, without the whole object that some of them repeat."""
    return _REPEATED.sub('"…"', str(answer.get("message", "")))[:_MAX_MESSAGE_CHARACTERS]


_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "apply": "PATCH",
    "patch": "PATCH",
    "create": "POST",
    "update": "PUT",
    "delete": "DELETE",
}


async def connect() -> ApiClient:
    """Return a client: of the pod's service account, or of KUBECONFIG. Raises StartError."""
    made = Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(made)
        else:
            await config.load_kube_config(client_configuration=made)
    except (config.ConfigException, OSError) as error:
        raise StartError(f"No way to the Kubernetes API: {error}. Run it in a pod, or set KUBECONFIG.") from error
    made.connection_pool_maxsize = _CONNECTIONS
    return ApiClient(made)
