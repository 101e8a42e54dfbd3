"""Settings of the log."""

import pydantic


class LogSettings(pydantic.BaseModel):
    """Topics. Partitions are fixed when a topic is made."""

    partitions: int = pydantic.Field(
        24, ge=1, le=1000, json_schema_extra={"unit": "partitions"}, description="Partitions of chat4all.conversations."
    )
    retention_days: float = pydantic.Field(
        7.0,
        gt=0,
        json_schema_extra={"unit": "days"},
        description="How long the log keeps what every consumer has read.",
    )
