"""Every setting, collected from the rooms. `CHAT4ALL_<SECTION>__<NAME>` in the environment sets one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import pydantic
import pydantic_core
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from chat4all.accounts.settings import AccountsSettings
from chat4all.api.settings import ApiSettings, InternalSettings
from chat4all.connectors.settings import ChannelsSettings
from chat4all.directory.settings import DirectorySettings
from chat4all.drivers.redis_settings import RedisSettings
from chat4all.files.settings import FilesSettings
from chat4all.gateway.settings import GatewaySettings
from chat4all.log.settings import KafkaSettings, LogSettings
from chat4all.model.errors import StartError
from chat4all.routing.router import RoutingSettings
from chat4all.store.settings import CassandraSettings
from chat4all.telemetry.traces import TracingSettings
from chat4all_simulator.settings import SimulatorSettings

MASKED: Final = "**********"  # stands for every secret, so that not even its length is told


class ServerSettings(pydantic.BaseModel):
    """The process."""

    host: str = pydantic.Field("127.0.0.1", description="Address to listen on; embedded mode takes loopback only.")
    port: int = pydantic.Field(
        8000,
        ge=0,
        le=65_535,
        json_schema_extra={"unit": "TCP port"},
        description="Port to listen on; 0: any that is free.",
    )
    log_level: str = pydantic.Field(
        "WARNING",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="What is logged, from here on: DEBUG, INFO, WARNING or ERROR.",
    )
    drain_seconds: int = pydantic.Field(
        5, ge=0, le=600, json_schema_extra={"unit": "s"}, description="How long requests get to finish at the end."
    )


class EmbeddedSettings(pydantic.BaseModel):
    """Embedded mode: every role in one process, nothing else installed."""

    data: Path = pydantic.Field(Path("data"), description="Folder of all that it keeps.")


class OperationsSettings(pydantic.BaseModel):
    """Health, metrics and status of a process of distributed mode; in embedded mode they are on its public port."""

    host: str = pydantic.Field("127.0.0.1", description="Address to listen on.")
    port: int = pydantic.Field(
        9090, ge=0, le=65_535, json_schema_extra={"unit": "TCP port"}, description="Port to listen on; 0: any."
    )
    share: int = pydantic.Field(
        1,
        ge=1,
        le=1000,
        json_schema_extra={"unit": "processes"},
        description="Of how many processes of its role this is one: its share of a limit while Redis is away.",
    )


class Settings(BaseSettings):
    """All sections."""

    model_config = SettingsConfigDict(env_prefix="CHAT4ALL_", env_nested_delimiter="__", extra="ignore")

    server: ServerSettings = ServerSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    log: LogSettings = LogSettings()
    accounts: AccountsSettings = AccountsSettings()
    api: ApiSettings = ApiSettings()
    internal: InternalSettings = InternalSettings()
    gateway: GatewaySettings = GatewaySettings()
    routing: RoutingSettings = RoutingSettings()
    channels: ChannelsSettings = ChannelsSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    operations: OperationsSettings = OperationsSettings()
    kafka: KafkaSettings = KafkaSettings()
    cassandra: CassandraSettings = CassandraSettings()
    directory: DirectorySettings = DirectorySettings()
    redis: RedisSettings = RedisSettings()
    files: FilesSettings = FilesSettings()
    tracing: TracingSettings = TracingSettings()


class SettingDescription(NamedTuple):
    """One setting. `about`: what its section is; `unit`: empty for what is no number.

    `default`, `value`: as JSON has them, a secret as `MASKED`; `changed`: whether the value is another one.
    """

    section: str
    about: str
    variable: str
    default: Any
    value: Any
    changed: bool
    unit: str
    description: str


def load() -> Settings:
    """The settings of this process. Raises StartError that names the variable that is wrong."""
    try:
        return Settings()
    except SettingsError as error:  # a whole section in one variable: it names the section's field only
        section = re.search(r'field "(\w+)"', str(error))
        name = f"CHAT4ALL_{section[1].upper()}" if section else "A variable of CHAT4ALL_"
        raise StartError(f"{name} is not JSON. Set {name}__<NAME> instead; docs/settings.md has the names.") from error
    except pydantic.ValidationError as error:
        lines = [f"CHAT4ALL_{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise StartError("\n".join(lines)) from error


def described(settings: BaseSettings) -> Iterator[SettingDescription]:
    """Every setting of every section, in the order of the classes. `Settings.model_construct()`: none is changed."""
    for section in type(settings).model_fields:
        model: pydantic.BaseModel = getattr(settings, section)
        for name, field in type(model).model_fields.items():
            variable = f"{settings.model_config.get('env_prefix', '')}{section}__{name}".upper()
            yield _described(section, variable, model, field, getattr(model, name))


def _described(
    section: str, variable: str, model: pydantic.BaseModel, field: FieldInfo, value: object
) -> SettingDescription:
    default = field.get_default(call_default_factory=True)
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    secret = _is_secret(field.annotation)
    return SettingDescription(
        section=section,
        about=model.__doc__ or "",
        variable=variable,
        default=MASKED if secret and default else pydantic_core.to_jsonable_python(default),
        value=MASKED if secret and value else pydantic_core.to_jsonable_python(value),
        changed=value != default,
        unit=str(extra.get("unit", "")),
        description=field.description or "",
    )


def _is_secret(annotation: object) -> bool:
    """Also where a secret is one of several types."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.SecretStr | pydantic.SecretBytes):
        return True
    return any(_is_secret(one) for one in get_args(annotation))
