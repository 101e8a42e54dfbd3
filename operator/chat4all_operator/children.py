"""The objects that a connector consists of in the cluster, and what each of them looks like."""

from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator import kinds
from chat4all_operator.kinds import CONNECTOR, DIGEST, TEMPLATE, UID_LABEL, Kind
from chat4all_operator.observed import Observed
from chat4all_operator.template import digest

PARTITIONS: Final = 6  # of a connector's topic: more pods than that would have nothing to do
HOOKS_PORT: Final = 80
WAYS_IN: Final = (kinds.SERVICE, kinds.INGRESS, kinds.HTTP_ROUTE)
KINDS: Final = (
    *(kinds.DEPLOYMENT, kinds.SERVICE, kinds.INGRESS, kinds.HTTP_ROUTE, kinds.BUDGET, kinds.AUTOSCALER, kinds.JOB),
)

Manifest = dict[str, Any]


def child_name(connector: str) -> str:
    """Return the name of a connector's children: at most 50 characters."""
    return f"connector-{connector}"


def job_name(connector: str, uid: str) -> str:
    """Return the name of the Job that unregisters a connector: at most 60 characters."""
    return f"unregister-{connector}-{uid[:8]}"


def selector(observed: Observed) -> dict[str, str]:
    """Return the labels that select the connector's pods. They never change while the resource lives."""
    return {
        "app.kubernetes.io/name": "chat4all",
        "app.kubernetes.io/component": "connector",
        UID_LABEL: observed.uid,
    }


def endpoint(observed: Observed) -> str:
    """Return where the provider posts to this connector."""
    return f"{observed.world.hooks.public_url.rstrip('/')}{_path(observed)}"


def wanted(observed: Observed, *, replicas: int, webhook: bool, limited: bool) -> list[tuple[Kind, Manifest]]:
    """Return every child that there has to be. `replicas`: of the Deployment; `limited`: the provider makes it wait."""
    made = [(kinds.DEPLOYMENT, _deployment(observed, replicas))]
    if webhook:
        made.append((kinds.SERVICE, _service(observed)))
        if observed.world.hooks.http_route is not None:
            made.append((kinds.HTTP_ROUTE, _route(observed, observed.world.hooks.http_route)))
        elif observed.world.hooks.ingress is not None:
            made.append((kinds.INGRESS, _ingress(observed, observed.world.hooks.ingress)))
    if replicas > 1 and observed.world.template.budget is not None:
        made.append((kinds.BUDGET, _budget(observed)))
    if observed.spec.get("autoscaling") and replicas > 0:
        made.append((kinds.AUTOSCALER, _autoscaler(observed, limited=limited)))
    return [(kind, _signed(manifest)) for kind, manifest in made]


def unregister_job(observed: Observed) -> Manifest:
    """Return the Job that tells the provider where no pod of the connector can. It has no owner: it outlives the
    resource's other children, and ends by itself."""
    template = observed.world.template.of(observed.uid, secret_name(observed), {UID_LABEL: observed.uid})
    template["metadata"]["labels"]["app.kubernetes.io/component"] = "unregister"
    spec = template["spec"]
    spec |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5}
    container = spec["containers"][0]
    container["args"] = ["unregister", "--seconds", str(max(1, int(observed.world.unregister_seconds) - 10))]
    for name in ("ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
        container.pop(name, None)
    return {
        "apiVersion": kinds.JOB.api,
        "kind": kinds.JOB.name,
        "metadata": {
            "name": job_name(observed.name, observed.uid),
            "namespace": observed.world.namespace,
            "labels": {**labels(observed), "app.kubernetes.io/component": "unregister"},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": int(observed.world.unregister_seconds),
            "ttlSecondsAfterFinished": 300,
            "template": template,
        },
    }


def secret_name(observed: Observed) -> str:
    """Return the name of the Secret with the connector's credentials, or "" where the spec has none."""
    reference = observed.spec.get("credentialsSecretRef")
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else ""


def labels(observed: Observed) -> dict[str, str]:
    """Return the labels of every child."""
    return {
        **selector(observed),
        "app.kubernetes.io/part-of": "chat4all",
        "app.kubernetes.io/managed-by": kinds.MANAGER,
        "app.kubernetes.io/instance": observed.world.release,
    }


def scaling(observed: Observed) -> tuple[int, int]:
    """Return the least and the most pods of autoscaling, neither of them more than there are partitions."""
    given = observed.spec["autoscaling"]
    return min(int(given.get("minReplicas", 1)), PARTITIONS), min(int(given["maxReplicas"]), PARTITIONS)


def _deployment(observed: Observed, replicas: int) -> Manifest:
    pod = observed.world.template.of(observed.uid, secret_name(observed), labels(observed))
    return {
        **_head(observed, kinds.DEPLOYMENT, {TEMPLATE: digest(pod)}),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 300,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": selector(observed)},
            "template": pod,
        },
    }


def _service(observed: Observed) -> Manifest:
    port = {"name": "hooks", "port": HOOKS_PORT, "targetPort": "hooks", "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": selector(observed), "ports": [port]}
    return {**_head(observed, kinds.SERVICE), "spec": spec}


def _ingress(observed: Observed, given: Mapping[str, Any]) -> Manifest:
    backend = {"service": {"name": child_name(observed.name), "port": {"name": "hooks"}}}
    rule: dict[str, Any] = {"http": {"paths": [{"path": _path(observed), "pathType": "Exact", "backend": backend}]}}
    if given.get("host"):
        rule["host"] = given["host"]
    spec: dict[str, Any] = {"rules": [rule]}
    if given.get("className"):
        spec["ingressClassName"] = given["className"]
    if given.get("tls"):
        spec["tls"] = given["tls"]
    return {**_head(observed, kinds.INGRESS, given.get("annotations")), "spec": spec}


def _route(observed: Observed, given: Mapping[str, Any]) -> Manifest:
    match = {"path": {"type": "Exact", "value": _path(observed)}}
    backend = {"name": child_name(observed.name), "port": HOOKS_PORT}
    spec: dict[str, Any] = {
        "parentRefs": given["parentRefs"],
        "rules": [{"matches": [match], "backendRefs": [backend]}],
    }
    if given.get("hostnames"):
        spec["hostnames"] = given["hostnames"]
    return {**_head(observed, kinds.HTTP_ROUTE, given.get("annotations")), "spec": spec}


def _budget(observed: Observed) -> Manifest:
    return {
        **_head(observed, kinds.BUDGET),
        "spec": {
            "maxUnavailable": observed.world.template.budget,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(observed)},
        },
    }


def _autoscaler(observed: Observed, *, limited: bool) -> Manifest:
    """More pods of a connector that its provider makes wait would only wait too, so that nothing is scaled then."""
    least, most = scaling(observed)
    percent = int(observed.spec["autoscaling"].get("targetCPUPercent", 70))
    target = {"type": "Utilization", "averageUtilization": percent}
    policy = {"selectPolicy": "Disabled"} if limited else {"selectPolicy": "Max"}
    return {
        **_head(observed, kinds.AUTOSCALER),
        "spec": {
            "scaleTargetRef": {"apiVersion": CONNECTOR.api, "kind": CONNECTOR.name, "name": observed.name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleUp": policy, "scaleDown": policy},
        },
    }


def _head(observed: Observed, kind: Kind, annotations: Mapping[str, str] | None = None) -> Manifest:
    owner = {
        "apiVersion": CONNECTOR.api,
        "kind": CONNECTOR.name,
        "name": observed.name,
        "uid": observed.uid,
        "controller": True,
        # True needs the right to write finalizers where OwnerReferencesPermissionEnforcement is on, as on OpenShift.
        "blockOwnerDeletion": False,
    }
    metadata = {
        "name": child_name(observed.name),
        "namespace": observed.world.namespace,
        "labels": labels(observed),
        "annotations": dict(annotations or {}),
        "ownerReferences": [owner],
    }
    return {"apiVersion": kind.api, "kind": kind.name, "metadata": metadata}


def _path(observed: Observed) -> str:
    return f"/hooks/{observed.spec['channel']}/{observed.uid}"


def _signed(manifest: Manifest) -> Manifest:
    """With a digest of itself, by which a field that is applied no longer is noticed."""
    manifest["metadata"]["annotations"][DIGEST] = digest(manifest)
    return manifest
