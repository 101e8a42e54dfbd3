"""The settings of Redis stand apart from its client, which embedded mode does without."""

from typing import ClassVar

import pydantic

from chat4all.drivers.tls import Secured


class RedisSettings(Secured):
    """Redis, which carries pushes, presence and shared limits in distributed mode."""

    section: ClassVar = "REDIS"

    host: str = pydantic.Field("127.0.0.1", min_length=1, description="Its name or address.")
    port: int = pydantic.Field(6379, ge=1, le=65_535, json_schema_extra={"unit": "TCP port"}, description="Its port.")
    database: int = pydantic.Field(
        0, ge=0, le=1000, json_schema_extra={"unit": "number"}, description="Which of its databases."
    )
    prefix: str = pydantic.Field("chat4all:", description="What all our keys and channels begin with.")
    request_seconds: float = pydantic.Field(
        1.0,
        gt=0,
        le=10,
        json_schema_extra={"unit": "s"},
        description="How long Redis may take to be connected to, and again as long to answer.",
    )
    connections: int = pydantic.Field(
        16, ge=1, le=1000, json_schema_extra={"unit": "connections"}, description="Connections of this process."
    )
    ping_seconds: float = pydantic.Field(
        5.0,
        gt=0,
        le=60,
        json_schema_extra={"unit": "s"},
        description="Silence after which a subscriber asks for a sign.",
    )
