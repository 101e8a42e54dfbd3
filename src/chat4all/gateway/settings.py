"""Defines the settings of the gateway."""

import pydantic


class GatewaySettings(pydantic.BaseModel):
    """WebSockets."""

    port: int = pydantic.Field(
        8001,
        ge=0,
        le=65_535,
        json_schema_extra={"unit": "TCP port"},
        description="Port of a gateway that is a process of its own.",
    )
    sessions: int = pydantic.Field(
        10_000,
        ge=1,
        json_schema_extra={"unit": "sessions"},
        description="WebSockets at once; more are asked to try again.",
    )
    queue: int = pydantic.Field(
        1000,
        ge=10,
        json_schema_extra={"unit": "frames"},
        description="How far behind a session may be before it is cut off.",
    )
    resume_grace_seconds: float = pydantic.Field(
        1.0,
        ge=0,
        le=10,
        json_schema_extra={"unit": "s"},
        description="How long a new session waits for a resume before it goes live.",
    )
    replay_limit: int = pydantic.Field(
        1000,
        ge=1,
        le=100_000,
        json_schema_extra={"unit": "rows"},
        description="What a resume replays of one conversation; beyond, clients page.",
    )
    receipt_seconds: float = pydantic.Field(
        1.0, ge=0.01, le=60, json_schema_extra={"unit": "s"}, description="The time between receipts of a session."
    )
    sweep_seconds: float = pydantic.Field(
        60.0, gt=0, le=60, json_schema_extra={"unit": "s"}, description="The time between comparisons with the store."
    )
    warn_seconds: float = pydantic.Field(
        60.0, ge=0, json_schema_extra={"unit": "s"}, description="How long before its token expires a client is warned."
    )
