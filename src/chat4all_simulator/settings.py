"""The simulator's settings, read from the environment."""

from pathlib import Path

import pydantic
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError


class SettingsError(Exception):
    """A variable of the environment is wrong; the text names it and says why."""


class SimulatorSettings(pydantic.BaseModel):
    """The providers' stand-in, for development and proofs."""

    host: str = pydantic.Field(
        "127.0.0.1", description="Address to listen on. It asks for no password: leave it on loopback."
    )
    port: int = pydantic.Field(
        8020,
        ge=0,
        le=65_535,
        json_schema_extra={"unit": "TCP port"},
        description="Port to listen on; 0: any that is free.",
    )
    hosts: list[str] = pydantic.Field(
        ["localhost", "127.0.0.1", "[::1]"],
        description="Names under which its page and control API may be called; an asterisk allows any.",
    )
    data: Path = pydantic.Field(Path("data/simulator"), description="Folder of its log and the bots' tokens.")
    strict: bool = pydantic.Field(
        False, description="Refuse webhooks as the cloud does: https only, four ports, public addresses."
    )
    seed: int = pydantic.Field(
        1,
        json_schema_extra={"unit": "any integer"},
        description="Where chance in faults starts, unless a script sets another.",
    )
    messages_kept: int = pydantic.Field(
        10_000,
        ge=10,
        json_schema_extra={"unit": "messages"},
        description="How many of a chat are kept; older ones are not found any more.",
    )
    retry_seconds: float = pydantic.Field(
        2.0,
        gt=0,
        le=60,
        json_schema_extra={"unit": "s"},
        description="The second wait before a webhook is tried again (the first try is at once); it doubles.",
    )


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CHAT4ALL_", env_nested_delimiter="__", extra="ignore")

    simulator: SimulatorSettings = SimulatorSettings()


def load() -> SimulatorSettings:
    """Return the settings of this process: `CHAT4ALL_SIMULATOR__<NAME>` sets one. Raises SettingsError."""
    try:
        return _Environment().simulator
    except UnreadableError as error:
        raise SettingsError("CHAT4ALL_SIMULATOR is not JSON. Set CHAT4ALL_SIMULATOR__<NAME> instead.") from error
    except pydantic.ValidationError as error:
        lines = [f"CHAT4ALL_{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise SettingsError("\n".join(lines)) from error
