"""What a broker says of a topic: how many partitions it has, and which topic of that name it is.

A topic that was deleted and made again has the same name and another id. The client library asks for metadata in
versions that do not have it yet; from version 10 on it is there:
https://github.com/apache/kafka/blob/4.1/clients/src/main/resources/common/message/MetadataResponse.json
"""

import dataclasses
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import LeaderNotAvailableError, NodeNotReadyError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from chat4all.log.settings import KafkaSettings
from chat4all.model.errors import StartError

_API_KEY: Final = 3
_API_VERSION: Final = 10
_STRING: Final = CompactString("utf-8")


@dataclasses.dataclass(frozen=True, slots=True)
class TopicInfo:
    """A broker says this of a topic. `id`: of this topic and no other that ever had its name; `usable`: whether all its
    partitions can be used now; `copies`, `in_sync`: of the partition that has the fewest; `brokers`: how many the
    cluster has."""

    id: str
    partitions: int
    usable: bool
    copies: int
    in_sync: int
    brokers: int


def copies(topic: str, info: TopicInfo, needed: int, settings: KafkaSettings) -> str:
    """Return a sentence about the copies of a topic. `needed`: copies that an append needs.

    Raises StartError for a topic that has fewer copies than the settings say, or cannot be appended to.
    """
    sentence = f"{topic} has {info.partitions} partitions, {info.copies} copies of each, {info.in_sync} in sync"
    if info.in_sync < needed:
        raise StartError(
            f"{sentence}, and an append needs {needed}: brokers are away or behind; the cluster has {info.brokers} now"
        )
    if info.copies < settings.replication:
        raise StartError(
            f"{sentence}, and CHAT4ALL_KAFKA__REPLICATION is {settings.replication}: let Kafka make more copies "
            "(kafka-reassign-partitions), or change the setting"
        )
    if needed < settings.min_insync_replicas:
        raise StartError(
            f"{sentence}, and an append needs {needed} where CHAT4ALL_KAFKA__MIN_INSYNC_REPLICAS is "
            f"{settings.min_insync_replicas}: set the topic's min.insync.replicas (kafka-configs)"
        )
    return sentence


class _Answer(Response):  # type: ignore[misc] # the library has no types
    API_KEY = _API_KEY
    API_VERSION = _API_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32), ("host", _STRING), ("port", Int32), ("rack", _STRING), ("tags", TaggedFields)
            ),
        ),
        ("cluster_id", _STRING),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _STRING),
                ("id_high", Int64),
                ("id_low", Int64),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _Asked(RequestStruct):  # type: ignore[misc] # the library has no types
    FLEXIBLE_VERSION = True
    API_KEY = _API_KEY
    API_VERSION = _API_VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("id_high", Int64), ("id_low", Int64), ("name", _STRING), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicsRequest(Request[_Asked]):  # type: ignore[misc] # the library has no types
    API_KEY = _API_KEY

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_Asked]) -> _Asked:
        return request_struct_class([(0, 0, self._topic, {})], False, False, False, {})


async def topic_info(client: AIOKafkaClient, topic: str) -> TopicInfo | None:
    """Ask a broker what it knows of this topic now. Return None if there is no such topic. Raises KafkaError."""
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    answer: Any = await client.send(node, _TopicsRequest(topic))
    error, _, high, low, _, partitions, *_ = answer.topics[0]
    if for_code(error) is UnknownTopicOrPartitionError:
        return None
    if error or not partitions:
        raise (for_code(error) if error else LeaderNotAvailableError)(topic)
    return TopicInfo(
        id=f"{high % 2**64:016x}{low % 2**64:016x}",
        partitions=len(partitions),
        usable=all(leader >= 0 for _, _, leader, *_ in partitions),
        copies=min(len(replicas) for _, _, _, _, replicas, *_ in partitions),
        in_sync=min(len(in_sync) for *_, in_sync, _, _ in partitions),
        brokers=len(answer.brokers),
    )
