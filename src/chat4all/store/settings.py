"""The store has these settings in distributed mode."""

from typing import ClassVar

import pydantic

from chat4all.drivers.tls import Secured


class CassandraSettings(Secured):
    """Cassandra, the message store of distributed mode."""

    section: ClassVar = "CASSANDRA"

    hosts: str = pydantic.Field(
        "127.0.0.1", min_length=1, description="Nodes to begin with, names or addresses, with commas between."
    )
    port: int = pydantic.Field(
        9042, ge=1, le=65_535, json_schema_extra={"unit": "TCP port"}, description="Port of all nodes."
    )
    keyspace: str = pydantic.Field(
        "chat4all", pattern="^[a-z][a-z0-9_]{0,47}$", description="Keyspace of all tables; migrate makes it."
    )
    datacenter: str = pydantic.Field(
        "datacenter1", min_length=1, description="Datacenter of this process: its quorum counts."
    )
    replication: int = pydantic.Field(
        3,
        ge=1,
        le=10,
        json_schema_extra={"unit": "replicas"},
        description="Copies in that datacenter, where migrate makes the keyspace.",
    )
    consistency: str = pydantic.Field(
        "LOCAL_QUORUM",
        pattern="^(LOCAL_QUORUM|QUORUM|EACH_QUORUM|ALL)$",
        description="How many copies have to answer: LOCAL_QUORUM, QUORUM, EACH_QUORUM or ALL.",
    )
    request_seconds: float = pydantic.Field(
        4.0, gt=0, le=30, json_schema_extra={"unit": "s"}, description="How long the store may take for anything."
    )
    at_once: int = pydantic.Field(
        256,
        ge=1,
        le=10_000,
        json_schema_extra={"unit": "requests"},
        description="Requests on their way at once; more wait.",
    )
