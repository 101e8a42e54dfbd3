"""charts/chat4all/values.schema.json, made from values.yaml and the settings classes; `make docs` writes it.

A value's kind is that of its default, and what its comment says is its description; what a default cannot tell is in
the tables here. Nothing is allowed that is not known, but inside of what Kubernetes itself defines.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from chat4all.processes.config import Settings

CHART: Final = Path(__file__).resolve().parents[2] / "charts" / "chat4all"

_PORT: Final = {"minimum": 1, "maximum": 65_535}
_SECRET: Final = {"pattern": "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"}
_COUNT: Final = {"minimum": 1, "maximum": 1000}
# By the last part of a value's path, or by the whole of it.
_BOUNDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "existingSecret": _SECRET,
    "passwordKey": {"pattern": "^[-._a-zA-Z0-9]+$"},
    "port": _PORT,
    "replicas": {"minimum": 0, "maximum": 1000},
    "minReplicas": _COUNT,
    "maxReplicas": _COUNT,
    "minReplicaCount": {"minimum": 0, "maximum": 1000},
    "maxReplicaCount": _COUNT,
    "replication": {"minimum": 1, "maximum": 10},
    "minInsyncReplicas": {"minimum": 1, "maximum": 10},
    "partitions": _COUNT,
    "drainSeconds": {"minimum": 0, "maximum": 600},
    "preStopSeconds": {"minimum": 0, "maximum": 600},
    "orphanGraceSeconds": {"minimum": 0, "maximum": 31_536_000},
    "unregisterSeconds": {"minimum": 15, "maximum": 600},
    "maxRolling": _COUNT,
    "logLevel": {"enum": ["DEBUG", "INFO", "WARNING", "ERROR"]},
    "operator.replicas": {"minimum": 0, "maximum": 2},
    "targetCPUUtilizationPercentage": {"minimum": 1, "maximum": 1000},
    "maxUnavailable": {"type": ["integer", "string"]},
    "dialect": {"enum": ["cockroachdb", "postgresql"]},
    "registration": {"enum": ["admins", "open"]},
    "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "publicURL": {"pattern": "^(https?://[^/ ]+(/[^ ]*)?)?$"},
    "interval": {"pattern": "^[0-9]+(ms|s|m|h)$"},
}
# Objects that Kubernetes defines, and maps of its kind: what is in them is its to check.
_TEXTS: Final = {
    "commonLabels",
    "commonAnnotations",
    "podLabels",
    "podAnnotations",
    "nodeSelector",
    "annotations",
    "labels",
}
_KUBERNETES: Final = {"affinity", "behavior", "podSecurityContext", "securityContext"}
_RESOURCES: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        name: {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
        for name in ("requests", "limits")
    },
}
_ITEMS: Final[Mapping[str, Any]] = {
    "hostnames": {"type": "string"},
    "imagePullSecrets": {"type": "object", "additionalProperties": False, "properties": {"name": {"type": "string"}}},
}

# Settings that have values of their own, or that the chart itself sets; the others are in `settings`.
OWN: Final[Mapping[str, str]] = {
    "log.partitions": "partitions",
    "server.host": "",
    "server.port": "",
    "server.drain_seconds": "drainSeconds",
    "embedded.data": "",  # of another mode
    "accounts.keys_dir": "accounts.signingKeys.existingSecret",
    "accounts.registration": "accounts.registration",
    "accounts.demo": "",  # on loopback only
    "api.cors_origins": "accounts.corsOrigins",
    "internal.host": "",
    "internal.port": "",
    "internal.token_file": "internal.existingSecret",
    "gateway.port": "",
    "channels.port": "",
    "channels.folder": "",  # whoever runs connectors says which
    "channels.connector": "",
    "channels.uid": "",
    "channels.credentials_dir": "",
    "channels.pod": "",
    "channels.public_url": "hooks.publicURL",
    "channels.simulator": "",
    "channels.inbox": "",
    "simulator.host": "",
    "simulator.port": "",
    "simulator.hosts": "",
    "simulator.data": "",
    "operations.host": "",
    "operations.port": "",
    "operations.share": "api.replicas",
    **{
        f"{engine}.{name}": f"{engine}.{value}"
        for engine in ("kafka", "cassandra", "directory", "redis", "files")
        for name, value in (
            ("tls", "tls.enabled"),
            ("ca_file", "tls.existingSecret"),
            ("certificate_file", "tls.clientCertificate"),
            ("key_file", "tls.clientCertificate"),
            ("user", "user"),
            ("password_file", "existingSecret"),
        )
    },
    "kafka.servers": "kafka.servers",
    "kafka.replication": "kafka.replication",
    "kafka.min_insync_replicas": "kafka.minInsyncReplicas",
    "cassandra.hosts": "cassandra.hosts",
    "cassandra.port": "cassandra.port",
    "cassandra.datacenter": "cassandra.datacenter",
    "cassandra.replication": "cassandra.replication",
    "directory.dialect": "directory.dialect",
    "directory.host": "directory.host",
    "directory.port": "directory.port",
    "directory.database": "directory.database",
    "redis.host": "redis.host",
    "redis.port": "redis.port",
    "files.endpoint": "files.endpoint",
    "files.bucket": "files.bucket",
    "files.region": "files.region",
}


def schema() -> dict[str, Any]:
    """Return the JSON schema of all values: values.yaml with the tables above, and every setting that is not in OWN."""
    text = (CHART / "values.yaml").read_text()
    made = _object(yaml.safe_load(text), _comments(text), ())
    made["properties"]["settings"] = _settings()
    made["properties"]["global"] = {"type": "object", "description": "Helm's own, for charts of which this is a part."}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of Chat4All", **made}


def text() -> str:
    """Return the schema as values.schema.json has it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def camel(name: str) -> str:
    """`posts_per_second` as values have it: postsPerSecond."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _object(
    values: Mapping[str, Any], comments: Mapping[tuple[str, ...], str], path: tuple[str, ...]
) -> dict[str, Any]:
    properties = {}
    for key, value in values.items():
        here = (*path, key)
        about = {"description": comments[here]} if here in comments else {}
        properties[key] = {**about, **_value(key, value, comments, here)}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _value(key: str, value: Any, comments: Mapping[tuple[str, ...], str], path: tuple[str, ...]) -> dict[str, Any]:
    if key == "resources":
        return _RESOURCES
    if key in _TEXTS:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if key in _KUBERNETES:
        return {"type": "object"}
    if isinstance(value, Mapping):
        return _object(value, comments, path)
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array"}
    made: dict[str, Any] = {"type": kinds[type(value)], **_BOUNDS.get(key, {})}
    if isinstance(value, list):
        made["items"] = _ITEMS.get(key, {"type": "object"})
    return made


def _comments(text: str) -> dict[tuple[str, ...], str]:
    """What `# -- ` says above each value, by the value's path."""
    found: dict[tuple[str, ...], str] = {}
    path: list[tuple[int, str]] = []
    about: list[str] = []
    for line in text.splitlines():
        if comment := re.match(r"\s*# (-- )?(.*)", line):
            about = [comment[2]] if comment[1] else [*about, comment[2]] if about else []
        elif entry := re.match(r"( *)([A-Za-z]\w*):", line):
            depth = len(entry[1])
            path = [one for one in path if one[0] < depth] + [(depth, entry[2])]
            if about:
                found[tuple(name for _, name in path)] = " ".join(about).removeprefix("(required) ")
            about = []
        else:
            about = []
    return found


def _settings() -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for section, name, made in _known():
        if f"{section}.{name}" not in OWN:
            one = sections.setdefault(section, {"type": "object", "additionalProperties": False, "properties": {}})
            one["properties"][camel(name)] = made
    about = "Every other setting, by section and name: see docs/settings.md."
    return {"description": about, "type": "object", "additionalProperties": False, "properties": sections}


def _known() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each setting: its section, its name, its schema."""
    for section, field in Settings.model_fields.items():
        model: Any = field.annotation
        for name, found in model.model_json_schema()["properties"].items():
            kept = ("type", "minimum", "maximum", "exclusiveMinimum", "pattern", "enum", "minLength", "maxLength")
            made = {key: found[key] for key in (*kept, "description") if key in found}
            if "anyOf" in found:
                made["type"] = [one["type"] for one in found["anyOf"] if one["type"] != "null"]
            if made.get("type") == "array":
                made["items"] = {"type": "string"}
            yield section, name, made
