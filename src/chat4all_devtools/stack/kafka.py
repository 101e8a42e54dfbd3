"""Kafka 4 in KRaft mode: broker and controller in one process."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from aiokafka import client as kafka_client

from chat4all_devtools.stack import jars
from chat4all_devtools.stack.engine import LOOK_SECONDS, Engine, run

_VERSION: Final = "4.1.1"
_CLUSTER: Final = "Y2hhdDRhbGwtc3RhY2stMQ"  # any 16 bytes in base64
_JAVA: Final = ("java", "-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# One broker: everything that would be replicated is not. What the product relies on is set by its topics.
_PROPERTIES: Final = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{main},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{main}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# After a kill it is known again as soon as the controller has given up its former self.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
# Small indexes: tests make thousands of partitions.
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
log.retention.check.interval.ms=10000
log.segment.delete.delay.ms=1000
"""


class Kafka(Engine):
    """The engine of the log of conversations."""

    name = "kafka"
    title = f"Kafka {_VERSION}"
    default_ports: ClassVar = {"main": 19092, "controller": 19093}

    def install(self) -> None:
        jars.fetch(
            self._jars,
            f"org.apache.kafka:kafka_2.13:{_VERSION}",
            f"org.apache.kafka:kafka-tools:{_VERSION}",
            "org.slf4j:slf4j-simple:1.7.36",
        )

    def prepare(self) -> None:
        self.configure({})

    def configure(self, more: Mapping[str, str], *, format_with: Sequence[str] = ()) -> None:
        """Write its properties, some of them others than usual, and make its data folder the first time."""
        lines = [line for line in _PROPERTIES.splitlines() if line.partition("=")[0] not in more]
        lines += [f"{name}={value}" for name, value in more.items()]
        properties = self.folder / "server.properties"
        properties.write_text("\n".join(lines).format(folder=self.folder, host=self.host, **self._ports()) + "\n")
        if not (self.folder / "data").exists():
            tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(properties), *format_with]
            run(["java", "-Xmx256m", "-cp", f"{self._jars}/*", *tool], cwd=self.folder)

    def command(self) -> Sequence[str]:
        return [*_JAVA, "-cp", f"{self._jars}/*", "kafka.Kafka", str(self.folder / "server.properties")]

    def version(self) -> str:
        asyncio.run(_ask(self.address))
        return _VERSION

    @property
    def _jars(self) -> Path:
        return self.library / f"kafka-{_VERSION}"


async def _ask(address: str) -> None:
    client = kafka_client.AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=int(LOOK_SECONDS * 1000))
    try:
        await client.bootstrap()
    finally:
        await client.close()
