"""What tests of the operator are given: a resource, a Secret, a pod template, reports of pods, children of others."""

import copy
import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any, Final

from chat4all_operator.kinds import CREDENTIALS, Kind
from chat4all_operator.observed import Refused, SecretFound
from chat4all_operator.settings import Hooks
from chat4all_operator.template import PodTemplate

Object = dict[str, Any]

NOON: Final = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
UID: Final = "3f0e3d5c-8f4e-4f0a-9a55-0d2f6f1a7c11"
OTHER_UID: Final = "b1a4f1d2-57c0-4f7e-8d28-6a4d9b7f2e90"
TOKEN: Final = "123456:abcdefghijklmnopqrstuvwxyzabcdefghi"
SECRET: Final = SecretFound(CREDENTIALS, {"botToken": TOKEN.encode()})
SPEC: Final[Mapping[str, Any]] = {
    "channel": "telegram",
    "state": "Running",
    "credentialsSecretRef": {"name": "keys"},
    "config": {},
    "inbox": {"members": ["ana"]},
    "senderLabel": "Auto",
    "onUncertain": "Resend",
    "replicas": 1,
    "deletionPolicy": "Unregister",
}
# What the definition gives a resource that nobody has looked at.
PENDING: Final[Mapping[str, Any]] = {
    "conditions": [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "Pending",
            "message": "Waiting for the operator.",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ]
}
CONFLICT: Final = Refused("conflict", "", "shop.support is managed by operator/shop/other.")
NO_HOOKS: Final = Hooks()
INGRESS: Final = Hooks(public_url="https://hub.example", ingress={"className": "contour", "host": "hub.example"})
ROUTE: Final = Hooks(public_url="https://hub.example", http_route={"parentRefs": [{"name": "gate"}]})
CONTAINER: Final[Mapping[str, Any]] = {
    "name": "connector",
    "image": "registry.example/chat4all:1.2",
    "args": ["run", "connector"],
    "env": [{"name": "CHAT4ALL_CHANNELS__CREDENTIALS_DIR", "value": "/credentials"}],
    "ports": [{"name": "hooks", "containerPort": 8010}],
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "operations"}},
    "resources": {"requests": {"cpu": "0.25", "memory": "512Mi"}},
}


def template(**container: Any) -> PodTemplate:
    """The pod that connectors are made from; of its container, what is given takes the place of the usual."""
    metadata = {"labels": {"app.kubernetes.io/part-of": "chat4all"}}
    spec = {"serviceAccountName": "connector", "containers": [{**CONTAINER, **container}]}
    return PodTemplate(metadata, spec)


TEMPLATE: Final = template()


def resource(name: str, namespace: str, spec: Mapping[str, Any]) -> Object:
    """A ChannelConnector as the API server returns it when it was just created."""
    return {
        "apiVersion": "chat4all.io/v1alpha1",
        "kind": "ChannelConnector",
        "metadata": {"name": name, "namespace": namespace, "uid": UID, "generation": 1, "resourceVersion": "1"},
        "spec": copy.deepcopy(dict(spec)),
        "status": copy.deepcopy(dict(PENDING)),
    }


def report(pod: str = "support-0", **said: Any) -> Object:
    """What a pod reports when all is well; `said` takes the place of that."""
    usual = {
        "pod": pod,
        "role": "receives",
        "authenticated": True,
        "registered": True,
        "unregistered": False,
        "accountName": "@shop_bot",
        "rateLimitedUntil": None,
        "reason": "Connected",
        "sentence": "The connector works.",
    }
    return {**usual, **said}


def theirs(what: Kind, called: str = "connector-support", **owner: Any) -> Object:
    """An object of one of our names that somebody else made. `owner`: its controller, if it has any."""
    owners = [{"apiVersion": "chat4all.io/v1alpha1", "controller": True, **owner}] if owner else []
    metadata = {"name": called, "uid": OTHER_UID, "generation": 1, "ownerReferences": owners}
    return {"apiVersion": what.api, "kind": what.name, "metadata": metadata, "spec": {"replicas": 1}}


def stored(manifest: Mapping[str, Any], before: Object | None = None) -> Object:
    """An applied object as the API server returns it: with what it adds and what it writes otherwise."""
    made: Object = _without_nothing(copy.deepcopy(dict(manifest)))
    old = before or {"metadata": {"uid": str(uuid.uuid4()), "generation": 0}}
    same = before is not None and before.get("spec") == made.get("spec")
    made["metadata"] |= {
        "uid": old["metadata"]["uid"],
        "creationTimestamp": written(NOON),
        "generation": old["metadata"]["generation"] + (0 if same else 1),
    }
    made["status"] = copy.deepcopy(old.get("status", {}))
    pod = made["spec"].get("template", {}).get("spec", {})
    for name, usual in (("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler")):
        pod.setdefault(name, usual)
    for container in pod.get("containers", ()):
        requests = container.get("resources", {}).get("requests", {})
        if requests.get("cpu") == "0.25":
            requests["cpu"] = "250m"
    return made


def written(at: dt.datetime) -> str:
    """A time as the API server writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_nothing(value: Any) -> Any:
    """Without fields that hold nothing, which the API server leaves out."""
    if isinstance(value, dict):
        kept = {key: _without_nothing(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, "", {}, [])}
    return [_without_nothing(one) for one in value] if isinstance(value, list) else value
