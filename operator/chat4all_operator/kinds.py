"""The kinds of objects that the operator reads and writes, and where the API server has them."""

from typing import Final, NamedTuple

from chat4all.channels.kit.resource import GROUP


class Kind(NamedTuple):
    """A kind of namespaced object. `api`: its group and version."""

    name: str
    api: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Return the path of the collection, of one object, or of a part of it."""
        root = "/api/v1" if self.api == "v1" else f"/apis/{self.api}"
        parts = [root, "namespaces", namespace, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


CONNECTOR: Final = Kind("ChannelConnector", GROUP, "channelconnectors")
SECRET: Final = Kind("Secret", "v1", "secrets")
DEPLOYMENT: Final = Kind("Deployment", "apps/v1", "deployments")
SERVICE: Final = Kind("Service", "v1", "services")
INGRESS: Final = Kind("Ingress", "networking.k8s.io/v1", "ingresses")
HTTP_ROUTE: Final = Kind("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes")
BUDGET: Final = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
AUTOSCALER: Final = Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
JOB: Final = Kind("Job", "batch/v1", "jobs")
EVENT: Final = Kind("Event", "v1", "events")
LEASE: Final = Kind("Lease", "coordination.k8s.io/v1", "leases")
POD: Final = Kind("Pod", "v1", "pods")

CREDENTIALS: Final = "chat4all.io/credentials"  # the type of Secrets that are watched
FINALIZER: Final = "chat4all.io/unregister"
MANAGER: Final = "chat4all-operator"  # the field manager of all that it writes
UID_LABEL: Final = "chat4all.io/connector-uid"  # of every child, and of the Job that has no owner
DIGEST: Final = "chat4all.io/applied"  # annotation: a digest of what was applied
TEMPLATE: Final = "chat4all.io/template"  # annotation: a digest of the pod that a Deployment has
