"""A ChannelConnector, as it stands in Kubernetes and in connectors/*.yaml: chat4all.io/v1alpha1."""

from typing import Annotated, Any, Final, Literal

import pydantic

GROUP: Final = "chat4all.io/v1alpha1"

Name = Annotated[str, pydantic.Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]  # DNS-1035, at most 40
Username = Annotated[str, pydantic.Field(min_length=1, max_length=64)]


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Metadata(_Part):
    """`namespace`: local where there is no Kubernetes."""

    name: Name
    namespace: Name = "local"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class SecretRef(_Part):
    """A Secret of the same namespace."""

    name: Annotated[str, pydantic.Field(min_length=1, max_length=253)]


class Inbox(_Part):
    """Who is in a new conversation, beside whoever wrote."""

    members: Annotated[list[Username], pydantic.Field(min_length=1, max_length=50)]


class RateLimit(_Part):
    """Of the connector, in place of its channel's."""

    per_second: Annotated[float, pydantic.Field(alias="perSecond", gt=0, le=10_000)]


class Autoscaling(_Part):
    """For the operator only."""

    min_replicas: Annotated[int, pydantic.Field(alias="minReplicas", ge=1)] = 1
    max_replicas: Annotated[int, pydantic.Field(alias="maxReplicas", ge=1)]


class Spec(_Part):
    """What is wanted. `config`: the channel's own, checked against its manifest."""

    channel: Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
    state: Literal["Running", "Paused"] = "Running"
    credentials_secret_ref: Annotated[SecretRef, pydantic.Field(alias="credentialsSecretRef")]
    config: dict[str, Any] = {}
    inbox: Inbox
    rate_limit: Annotated[RateLimit | None, pydantic.Field(alias="rateLimit")] = None
    sender_label: Annotated[Literal["Auto", "Always", "Never"], pydantic.Field(alias="senderLabel")] = "Auto"
    on_uncertain: Annotated[Literal["Resend", "Hold"], pydantic.Field(alias="onUncertain")] = "Resend"
    replicas: Annotated[int, pydantic.Field(ge=0, le=100)] = 1
    autoscaling: Autoscaling | None = None
    deletion_policy: Annotated[Literal["Unregister", "Retain"], pydantic.Field(alias="deletionPolicy")] = "Unregister"


class ChannelConnector(_Part):
    """The resource."""

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
    metadata: Metadata
    type: str = "chat4all.io/credentials"
    string_data: Annotated[dict[str, pydantic.SecretStr], pydantic.Field(alias="stringData")]
