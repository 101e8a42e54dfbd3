"""The log has these settings: of its topics, and of Kafka."""

from typing import ClassVar, Literal

import pydantic

from chat4all.drivers.tls import Secured


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


class KafkaSettings(Secured):
    """Kafka, the log of distributed mode."""

    section: ClassVar = "KAFKA"

    servers: str = pydantic.Field(
        "127.0.0.1:9092", min_length=1, description="Brokers to begin with, as host:port, with commas between."
    )
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = pydantic.Field(
        "SCRAM-SHA-512", description="How a user logs in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    replication: int = pydantic.Field(
        3, ge=1, le=10, json_schema_extra={"unit": "replicas"}, description="Copies of a topic that is made."
    )
    min_insync_replicas: int = pydantic.Field(
        2, ge=1, le=10, json_schema_extra={"unit": "replicas"}, description="Copies that have to have what is accepted."
    )
    request_seconds: float = pydantic.Field(
        4.0, gt=0, le=30, json_schema_extra={"unit": "s"}, description="How long the log may take for anything."
    )
    session_seconds: float = pydantic.Field(
        6.0, ge=1, le=60, json_schema_extra={"unit": "s"}, description="Silence after which a consumer counts as gone."
    )
    heartbeat_seconds: float = pydantic.Field(
        2.0, gt=0, le=20, json_schema_extra={"unit": "s"}, description="The time between signs of life of a consumer."
    )
    round_seconds: float = pydantic.Field(
        60.0,
        ge=1,
        le=600,
        json_schema_extra={"unit": "s"},
        description="How long a consumer may be at what it took; then its partitions are given to others.",
    )
    drain_seconds: float = pydantic.Field(
        5.0,
        ge=0,
        le=30,
        json_schema_extra={"unit": "s"},
        description="How long a consumer that is to give up partitions may finish what it is at.",
    )
