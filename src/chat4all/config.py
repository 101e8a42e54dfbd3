"""Every setting, collected from the rooms. `CHAT4ALL_<SECTION>__<NAME>` in the environment sets one."""

import re
from pathlib import Path

import pydantic
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from chat4all.accounts.settings import AccountsSettings
from chat4all.api.settings import ApiSettings
from chat4all.gateway.settings import GatewaySettings
from chat4all.log.settings import LogSettings
from chat4all.model.errors import StartError
from chat4all.routing.router import RoutingSettings


class ServerSettings(pydantic.BaseModel):
    """The process."""

    host: str = pydantic.Field("127.0.0.1", description="Address to listen on; embedded mode takes loopback only.")
    port: int = pydantic.Field(8000, ge=0, le=65_535, description="Port to listen on; 0: any that is free.")
    log_level: str = pydantic.Field("WARNING", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Logs from here on.")
    drain_seconds: int = pydantic.Field(5, ge=0, le=600, description="Seconds that requests get to finish at the end.")


class EmbeddedSettings(pydantic.BaseModel):
    """Embedded mode: every role in one process, nothing else installed."""

    data: Path = pydantic.Field(Path("data"), description="Folder of all that it keeps.")


class Settings(BaseSettings):
    """All sections."""

    model_config = SettingsConfigDict(env_prefix="CHAT4ALL_", env_nested_delimiter="__", extra="ignore")

    server: ServerSettings = ServerSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    log: LogSettings = LogSettings()
    accounts: AccountsSettings = AccountsSettings()
    api: ApiSettings = ApiSettings()
    gateway: GatewaySettings = GatewaySettings()
    routing: RoutingSettings = RoutingSettings()


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
