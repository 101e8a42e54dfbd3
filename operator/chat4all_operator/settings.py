"""The settings of the operator, which its chart sets: CHAT4ALL_OPERATOR__<NAME>."""

import json
from pathlib import Path
from typing import Any, Final

import pydantic
import pydantic_settings

from chat4all.model.errors import StartError

PREFIX: Final = "CHAT4ALL_OPERATOR__"


class Hooks(pydantic.BaseModel):
    """How providers reach connectors: by an Ingress or an HTTPRoute per connector, or not at all.

    `public_url`: what providers are told, as https://hub.example, empty where nothing leads to connectors; `ingress`:
    class name, host, annotations and TLS of an Ingress; `http_route`: parentRefs, hostnames and annotations of a route.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    public_url: str = ""
    ingress: dict[str, Any] | None = None
    http_route: dict[str, Any] | None = None


class Settings(pydantic_settings.BaseSettings):
    """Everything that the operator is told."""

    model_config = pydantic_settings.SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    namespace: str = pydantic.Field(min_length=1, max_length=63, description="The namespace that it serves.")
    release: str = pydantic.Field(
        min_length=1, max_length=53, description="The release that it belongs to: part of who manages a registration."
    )
    instance: str = pydantic.Field(
        min_length=1, max_length=63, description="What objects of the release are called: the chart's full name."
    )
    pod: str = pydantic.Field("", max_length=253, description="Its pod, which holds the lease; empty: the host's name.")
    image: str = pydantic.Field("", max_length=512, description="Its image, which a message about versions names.")
    pod_template: Path = pydantic.Field(description="File with the pod that connectors are made from, as YAML.")
    hooks: Hooks = pydantic.Field(Hooks(), description="How providers reach connectors, as JSON.")
    api_url: str = pydantic.Field(description="Address of the internal API, as http://chat4all-api-internal:8002.")
    token_file: Path = pydantic.Field(description="File with the internal API's token; its first line is used.")
    max_rolling: int = pydantic.Field(
        3, ge=1, le=1000, description="Connectors that are replaced at once when their pod has changed."
    )
    orphan_grace_seconds: float = pydantic.Field(
        86_400.0,
        ge=0,
        json_schema_extra={"unit": "s"},
        description="How long a registration without its resource stays, disabled, before it is deleted.",
    )
    resync_seconds: float = pydantic.Field(
        20.0, gt=0, le=3600, json_schema_extra={"unit": "s"}, description="How often everything is listed again."
    )
    poll_seconds: float = pydantic.Field(
        5.0, gt=0, le=300, json_schema_extra={"unit": "s"}, description="How often the internal API is asked."
    )
    unregister_seconds: float = pydantic.Field(
        60.0,
        gt=0,
        le=600,
        json_schema_extra={"unit": "s"},
        description="How long a deleted connector waits until its provider has been told, before it is given up.",
    )
    blind_seconds: float = pydantic.Field(
        180.0,
        gt=0,
        json_schema_extra={"unit": "s"},
        description="How long the operator is live without having seen the cluster.",
    )
    port: int = pydantic.Field(9090, ge=0, le=65_535, description="TCP port of health and metrics.")
    host: str = pydantic.Field("0.0.0.0", description="Address of health and metrics.")  # noqa: S104 - kubelet asks a pod from outside
    log_level: str = pydantic.Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="What is logged.")

    @property
    def managed_by(self) -> str:
        """Who the operator is for the internal API."""
        return f"operator/{self.namespace}/{self.release}"


def load() -> Settings:
    """Return what the environment says. Raises StartError that names each variable that is wrong."""
    try:
        return Settings()
    except pydantic.ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise StartError(f"The operator's settings are wrong: {wrong}. Its chart sets them all.") from None
    except (pydantic_settings.SettingsError, json.JSONDecodeError) as error:
        raise StartError(f"The operator's settings cannot be read: {error}. {PREFIX}HOOKS is JSON.") from None
