"""A ChannelConnector, as it stands in Kubernetes and in connectors/*.yaml: chat4all.io/v1alpha1.

What these models take, the API server takes by k8s/crds/channelconnector.yaml, and the other way round, with the same
defaults. tests/operator/test_crd.py asks both.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

import pydantic

GROUP: Final = "chat4all.io/v1alpha1"
MAX_CONFIG_BYTES: Final = 16 * 1024  # see config_bytes; the models do not look at it, and neither does the API server

# Patterns mean the same here, in Kubernetes and in Python's re, but that re's $ matches before a last newline as well.
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
Name = Annotated[str, pydantic.Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]  # DNS-1035, at most 40
Namespace = Annotated[str, pydantic.Field(pattern=rf"^{_LABEL}$", max_length=63)]  # a label of DNS-1123
Subdomain = Annotated[str, pydantic.Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", min_length=1, max_length=253)]
Username = Annotated[str, pydantic.Field(min_length=1, max_length=64)]
Replicas = Annotated[int, pydantic.Field(ge=1, le=100)]


def config_bytes(config: Mapping[str, Any]) -> int:
    """How long a config is as canonical JSON: sorted keys, no spaces, UTF-8."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass"))


def _whole(value: Any) -> Any:
    """Take 70.0 for 70, as the API server does where nothing else of it looks at the number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Leave out each known field that is null, as the API server does before it puts defaults there."""
        if not isinstance(given, dict):
            return given
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {name: value for name, value in given.items() if value is not None or name not in known}


class Metadata(_Part):
    """`namespace`: local where there is no Kubernetes."""

    name: Name
    namespace: Namespace = "local"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SecretMetadata(Metadata):
    """The same of a Secret, whose name may be any that Kubernetes takes."""

    name: Subdomain


class SecretRef(_Part):
    """A Secret of the same namespace."""

    name: Subdomain


class Inbox(_Part):
    """Who is in a new conversation, beside whoever wrote."""

    members: Annotated[list[Username], pydantic.Field(min_length=1, max_length=50)]


class RateLimit(_Part):
    """Of the connector, in place of its channel's."""

    per_second: Annotated[float, pydantic.Field(alias="perSecond", gt=0, le=10_000)]


class Autoscaling(_Part):
    """For the operator only."""

    min_replicas: Annotated[Replicas, pydantic.Field(alias="minReplicas")] = 1
    max_replicas: Annotated[Replicas, pydantic.Field(alias="maxReplicas")]
    target_cpu_percent: Annotated[
        int, pydantic.Field(alias="targetCPUPercent", ge=1, le=100), pydantic.BeforeValidator(_whole)
    ] = 70

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError("minReplicas has to be at most maxReplicas")
        return self


class Spec(_Part):
    """What is wanted. `config`: the channel's own, checked against its manifest."""

    channel: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9-]{1,30}$", max_length=31)]
    state: Literal["Running", "Paused"] = "Running"
    credentials_secret_ref: Annotated[SecretRef, pydantic.Field(alias="credentialsSecretRef")]
    config: Annotated[dict[str, pydantic.JsonValue], pydantic.Field(max_length=32)] = {}
    inbox: Inbox
    rate_limit: Annotated[RateLimit | None, pydantic.Field(alias="rateLimit")] = None
    sender_label: Annotated[Literal["Auto", "Always", "Never"], pydantic.Field(alias="senderLabel")] = "Auto"
    on_uncertain: Annotated[Literal["Resend", "Hold"], pydantic.Field(alias="onUncertain")] = "Resend"
    replicas: Annotated[int, pydantic.Field(ge=0, le=100)] = 1
    autoscaling: Autoscaling | None = None
    deletion_policy: Annotated[Literal["Unregister", "Retain"], pydantic.Field(alias="deletionPolicy")] = "Unregister"


class ChannelConnector(_Part):
    """The resource, without its status and what the API server has put into its metadata."""

    api_version: Annotated[Literal["chat4all.io/v1alpha1"], pydantic.Field(alias="apiVersion")]
    kind: Literal["ChannelConnector"]
    metadata: Metadata
    spec: Spec

    @property
    def id(self) -> str:
        """<namespace>.<name>."""
        return f"{self.metadata.namespace}.{self.metadata.name}"


class Secret(_Part):
    """The resource that holds its credentials."""

    api_version: Annotated[Literal["v1"], pydantic.Field(alias="apiVersion")]
    kind: Literal["Secret"]
    metadata: SecretMetadata
    type: str = "chat4all.io/credentials"
    string_data: Annotated[dict[str, pydantic.SecretStr], pydantic.Field(alias="stringData")]
